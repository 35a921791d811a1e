"""Bad input: a ValueError that names the argument and what was expected, never a crash."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.ops import causal_conv, checks
from tests.backbones.ops.cases import scan_inputs

SCAN_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "u of two dimensions": ({"u": torch.ones(4, 3)}, r"u: shape \(4, 3\).*\(batch, L, d_inner\)"),
    "u a list": ({"u": [1.0]}, "u: a list"),
    "u of integers": ({"u": torch.ones(2, 5, 3, dtype=torch.int64)}, "u: .*int64.*floating-point"),
    "u sparse": ({"u": torch.ones(2, 5, 3).to_sparse()}, "u: "),
    "delta too short": ({"delta": torch.ones(2, 4, 3)}, r"delta: shape \(2, 4, 3\).*\(2, 5, 3\)"),
    "A of another width": ({"A": -torch.ones(4, 2)}, r"A: shape \(4, 2\).*\(3, N\)"),
    "A with a zero": ({"A": torch.tensor([[-1.0, 0.0]] * 3)}, r"A, shape \(3, 2\): 3 of 6 .* negative"),
    "A positive": ({"A": torch.ones(3, 2)}, "A, shape .*6 of 6"),
    "B of other states": ({"B": torch.ones(2, 5, 7)}, r"B: shape \(2, 5, 7\).*\(2, 5, 2\)"),
    "C of another batch": ({"C": torch.ones(1, 5, 2)}, r"C: .*\(2, 5, 2\)"),
    "D of another width": ({"D": torch.ones(2)}, r"D: .*\(3,\)|D: .*\(3\)"),
    "z transposed": ({"z": torch.ones(2, 3, 5)}, r"z: .*\(2, 5, 3\)"),
    "bias a matrix": ({"delta_bias": torch.ones(3, 1)}, "delta_bias: "),
    "order int32": ({"order": torch.arange(5, dtype=torch.int32)}, "order: .*int32.*int64"),
    "order too long": ({"order": torch.arange(6)}, r"order: shape \(6,\).*\(5,\)"),
    "order a list": ({"order": [0, 1, 2, 3, 4]}, "order: a list"),
    "order with a repeat": ({"order": torch.tensor([0, 1, 2, 3, 3])}, "order: .*exactly once"),
    "order out of range": ({"order": torch.tensor([0, 1, 2, 3, 5])}, "order: .*0 … 4"),
    "order negative": ({"order": torch.tensor([-1, 1, 2, 3, 4])}, "order: .*exactly once"),
    "order huge": ({"order": torch.tensor([0, 1, 2, 3, 2**62])}, "order: .*exactly once"),
    "B elsewhere": ({"B": torch.ones(2, 5, 2, device="meta")}, "B: .*meta.*on cpu"),
    "order elsewhere": ({"order": torch.arange(5, device="meta")}, "order: .*meta.*cpu"),
    "backend unknown": ({"backend": "fast"}, "backend: 'fast'.*'auto', 'cpu'"),
    "backend for another device": ({"backend": "mamba-ssm"}, "backend: 'mamba-ssm' cannot be used"),
}


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize(("change", "message"), SCAN_FAULTS.values(), ids=SCAN_FAULTS.keys())
def test_scan_names_the_fault(change: dict[str, Any], message: str, backend: str) -> None:
    inputs = scan_inputs(2, 5, 3, 2)
    with pytest.raises(ValueError, match=message):
        inputs.call(**{"backend": backend, **change})


CONV_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "x of two dimensions": ({"x": torch.ones(4, 3)}, r"x: .*\(batch, L, d_inner\)"),
    "weight of conv1d's shape": ({"weight": torch.ones(3, 1, 4)}, r"weight: shape \(3, 1, 4\).*\(3, width\)"),
    "weight empty": ({"weight": torch.ones(3, 0)}, "weight: .*between 1 and 32"),
    "weight too wide": ({"weight": torch.ones(3, 33)}, "weight: .*between 1 and 32"),
    "bias of another width": ({"bias": torch.ones(4)}, r"bias: shape \(4,\)"),
    "activation unknown": ({"activation": "gelu"}, "activation: 'gelu'.*\"silu\" or None"),
    "order out of range": ({"order": torch.tensor([0, 1, 2, 3, 9])}, "order: .*exactly once"),
}


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize(("change", "message"), CONV_FAULTS.values(), ids=CONV_FAULTS.keys())
def test_conv_names_the_fault(change: dict[str, Any], message: str, backend: str) -> None:
    right = {"x": torch.ones(2, 5, 3), "weight": torch.ones(3, 4)}
    with pytest.raises(ValueError, match=message):
        causal_conv(**{**right, "backend": backend, **change})


def test_float64_is_refused_by_a_float32_backend_and_served_by_auto() -> None:
    inputs = scan_inputs(1, 4, 3, 2).to(torch.float64)
    with pytest.raises(ValueError, match="take backend='reference'"):
        inputs.call(backend="cpu")
    assert inputs.call().dtype is torch.float64


def test_an_order_changed_in_place_is_checked_again() -> None:
    inputs = scan_inputs(1, 4, 3, 2)
    inputs.call(backend="cpu")
    inputs.order[0] = 1000
    with pytest.raises(ValueError, match="exactly once"):
        inputs.call(backend="cpu")


def test_compiled_code_checks_the_order_too() -> None:
    weight = torch.ones(3, 2)
    torch._dynamo.reset()
    compiled = torch.compile(lambda x, order: causal_conv(x, weight, order=order), backend="aot_eager")
    x = torch.ones(1, 4, 3)
    assert compiled(x, torch.arange(4)).shape == x.shape
    with pytest.raises(ValueError, match="exactly once"):
        compiled(x, torch.tensor([0, 0, 1, 2]))


def test_off_the_cpu_a_bad_a_is_refused_again_and_a_good_one_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(torch.Tensor):
        device = torch.device("xpu", 0)

    monkeypatch.setattr(checks, "_negative_on_device", set())
    bad, good = torch.ones(3, 2).as_subclass(Elsewhere), -torch.ones(3, 2).as_subclass(Elsewhere)
    for _ in range(2):
        with pytest.raises(ValueError, match="6 of 6 entries are not negative"):
            checks.negative(bad)
    checks.negative(good)
    checks.negative(bad)  # Reading it would stall the device for every call.


sizes = st.integers(0, 4)


@given(st.data())
@settings(max_examples=150)
def test_any_shapes_give_a_result_or_a_value_error(data: st.DataObject) -> None:
    """Random small shapes, types and orders: each either agrees throughout, or is refused by name."""

    def tensor(dimensions: int) -> torch.Tensor:
        count = data.draw(st.sampled_from([dimensions] * 8 + [1, 2, 3]))
        shape = [data.draw(sizes) for _ in range(count)]
        kind = data.draw(st.sampled_from([torch.float32] * 6 + [torch.bfloat16, torch.float64, torch.int32]))
        return torch.ones(shape, dtype=kind)

    u = tensor(3)
    same = data.draw(st.booleans())
    given = {"u": u, "delta": u.clone() if same else tensor(3), "A": -tensor(2), "B": tensor(3), "C": tensor(3)}
    if same and u.dim() == 3:
        batch, length, channels = u.shape
        given["A"] = -torch.ones(channels, 2)
        given["B"] = given["C"] = torch.ones(batch, length, 2)
        given["order"] = torch.tensor(
            data.draw(st.lists(st.integers(-2, 5), min_size=length, max_size=length)), dtype=torch.int64
        )
    inputs = scan_inputs(1, 1, 1, 1, optional=False, ordered=False)
    named, y = "", None
    try:
        y = inputs.call(**given)
    except ValueError as fault:
        named = str(fault).partition(":")[0].partition(",")[0]
    assert named in {*given, "backend"} if y is None else y.shape == u.shape
