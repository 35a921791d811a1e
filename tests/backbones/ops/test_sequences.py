"""Orders in two dimensions: each row is a sequence of its own, over one storage and without a copy."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backbones.ops import causal_conv, reference
from tests.backbones.ops.cases import ScanCase, error, scan_inputs

FORWARD, GRADIENT = 1e-6, 5e-6


def cut(inputs: ScanCase, sequences: int) -> ScanCase:
    """The same inputs, their order cut into so many sequences."""
    assert inputs.order is not None
    inputs.order = inputs.order.view(sequences, -1)
    return inputs


def apart(inputs: ScanCase, dy: Tensor, **changes: object) -> tuple[Tensor, ...]:
    """The output and the streams' gradients, one sequence after the other, each gathered into samples of its own."""
    order = inputs.order
    total = torch.empty_like(dy)
    streams = [getattr(inputs, name) for name in ("u", "delta", "B", "C", "z")]
    for rows in order:
        given = dict(zip(("u", "delta", "B", "C", "z"), (x[:, rows] for x in streams), strict=True))
        total[:, rows] = inputs.call(**given, order=None, **changes)
    return total, *torch.autograd.grad(total, inputs.tensors(), dy)


@pytest.mark.parametrize("views", [False, True])
@pytest.mark.parametrize(("sequences", "steps"), [(1, 9), (5, 1), (3, 5), (2, 16), (7, 17), (3, 40)])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_sequences_are_scanned_apart(backend: str, sequences: int, steps: int, views: bool) -> None:
    x = cut(scan_inputs(2, sequences * steps, 70, 7, views=views), sequences)
    dy = torch.randn(x.u.shape, generator=torch.Generator().manual_seed(1))
    single = x.to(torch.float32)
    y = single.call(backend=backend)
    found = (y.detach(), *torch.autograd.grad(y, single.tensors(), dy))
    exact = apart(x.to(torch.float64), dy.double(), backend="reference")
    errors = [error(a, b) for a, b in zip(found, exact, strict=True)]
    assert errors[0] <= FORWARD
    assert max(errors[1:]) <= GRADIENT


def test_written_out_gradients_of_the_reference_are_its_autograd() -> None:
    x = cut(scan_inputs(2, 12, 5, 3).to(torch.float64), 3)
    dy = torch.randn(x.u.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        written = reference.scan_backward(dy, x.inputs(), torch.empty(0))
    for a, b in zip(written, torch.autograd.grad(x.call(backend="reference"), x.tensors(), dy), strict=True):
        assert error(a, b) <= 1e-6  # sums over the batch come back in float32


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@given(
    sequences=st.integers(1, 5), steps=st.integers(1, 20), width=st.integers(1, 6), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_the_convolution_starts_anew_at_every_sequence(
    backend: str, sequences: int, steps: int, width: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, weight, bias, dy = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((2, sequences * steps, 5), (5, width), (5,), (2, sequences * steps, 5))
    )
    order = torch.randperm(sequences * steps, generator=generator).view(sequences, steps)
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
    exact = torch.empty_like(x)
    for rows in order:
        exact[:, rows] = causal_conv(leaves[0][:, rows], *leaves[1:], activation="silu", backend="reference")
    singles = [t.float().requires_grad_() for t in (x, weight, bias)]
    y = causal_conv(*singles, activation="silu", order=order, backend=backend)
    assert error(y, exact) <= FORWARD
    found, wanted = torch.autograd.grad(y, singles, dy.float()), torch.autograd.grad(exact, leaves, dy)
    assert max(error(a, b) for a, b in zip(found, wanted, strict=True)) <= GRADIENT


def test_one_sequence_is_the_order_itself_bit_for_bit() -> None:
    x = scan_inputs(2, 33, 24, 16)
    assert torch.equal(x.call(order=x.order[None]), x.call())


@pytest.mark.parametrize("shape", [(2, 4), (4, 2), (2, 2, 3)])
def test_an_order_of_other_tokens_is_refused(shape: tuple[int, ...]) -> None:
    order = torch.arange(torch.Size(shape).numel()).view(shape)
    with pytest.raises(ValueError, match=r"expected an int64 tensor \(9,\), or \(sequences, steps\) with 9 entries"):
        scan_inputs(1, 9, 3, 2).call(order=order)


def test_an_order_that_visits_a_token_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"every index 0 … 5 exactly once"):
        scan_inputs(1, 6, 3, 2).call(order=torch.tensor([[0, 1, 2], [3, 4, 4]]))
