"""The selective scan: its equations, every gradient against float64, and what must not change a result."""

from __future__ import annotations

import multiprocessing

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.ops import reference, selective_scan
from backbones.ops.cpu.workers import _run_in_threads
from tests.backbones.ops.cases import ScanCase, error, scan_inputs
from tests.support.waiting import PATIENCE

FORWARD, GRADIENT = 1e-6, 5e-6

SHAPES = {
    "one step": {"batch": 2, "length": 1, "channels": 5, "states": 16},
    "two steps, one channel, one state": {"batch": 1, "length": 2, "channels": 1, "states": 1},
    "a tile and one": {"batch": 2, "length": 17, "channels": 64, "states": 16},
    "odd everything": {"batch": 3, "length": 61, "channels": 70, "states": 7, "views": True},
    "several groups": {"batch": 1, "length": 40, "channels": 200, "states": 16, "views": True},
    "natural order": {"batch": 2, "length": 33, "channels": 24, "states": 16, "ordered": False},
    "nothing optional": {"batch": 2, "length": 33, "channels": 24, "states": 16, "optional": False},
    "many states": {"batch": 1, "length": 20, "channels": 9, "states": 66},
}


def _gradients(inputs: ScanCase, dy: torch.Tensor, **changes: object) -> tuple[torch.Tensor, ...]:
    y = inputs.call(**changes)
    return (y.detach(), *torch.autograd.grad(y, inputs.tensors(), dy.to(y.dtype)))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("softplus", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_forward_and_every_gradient_match_float64(shape: dict[str, int], softplus: bool, backend: str) -> None:
    inputs = scan_inputs(**shape)
    if not softplus:
        inputs.delta = inputs.delta.abs() * 0.1
        inputs.delta_bias = None if inputs.delta_bias is None else inputs.delta_bias.abs()
    dy = torch.randn(inputs.u.shape, generator=torch.Generator().manual_seed(1))
    changes = {"delta_softplus": softplus}
    found = _gradients(inputs.to(torch.float32), dy, backend=backend, **changes)
    exact = _gradients(inputs.to(torch.float64), dy, backend="reference", **changes)
    errors = [error(a, b) for a, b in zip(found, exact, strict=True)]
    assert errors[0] <= FORWARD
    assert max(errors[1:]) <= GRADIENT


def test_a_long_sequence_keeps_its_accuracy() -> None:
    inputs = scan_inputs(1, 16385, 3, 2)
    dy = torch.randn(inputs.u.shape, generator=torch.Generator().manual_seed(1))
    found = _gradients(inputs.to(torch.float32), dy, backend="cpu")
    exact = inputs.to(torch.float64)
    with torch.no_grad():
        y = exact.call(backend="reference")
        grads = reference.scan_backward(dy.double(), exact.inputs(), torch.empty(0, dtype=torch.float32))
    assert error(found[0], y) <= FORWARD
    assert max(error(a, b) for a, b in zip(found[1:], grads, strict=True)) <= GRADIENT


def test_reference_is_the_sum_over_all_earlier_steps() -> None:
    """y_k = Σ_{j <= k} C_k · exp(A Σ_{j < i <= k} Δ_i) Δ_j B_j u_j + D u_k, written without a recurrence."""
    x = scan_inputs(2, 6, 3, 4).to(torch.float64)
    dt = torch.nn.functional.softplus(x.delta + x.delta_bias)[:, x.order]
    u, B, C = (t[:, x.order] for t in (x.u, x.B, x.C))
    total = dt.cumsum(1)
    decay = torch.exp(x.A * (total[:, :, None] - total[:, None])[..., None])  # (batch, k, j, channels, N)
    lower = torch.ones(6, 6, dtype=torch.float64).tril()
    y = torch.einsum("kj,bkn,bkjdn,bjd,bjn,bjd->bkd", lower, C, decay, dt, B, u)
    y = (y + x.D * u)[:, torch.argsort(x.order)] * torch.nn.functional.silu(x.z)
    torch.testing.assert_close(x.call(backend="reference"), y)


def test_reference_is_differentiable_twice_and_in_forward_mode() -> None:
    x = scan_inputs(1, 3, 2, 2).to(torch.float64)
    tensors = x.tensors()

    def call(*given: torch.Tensor) -> torch.Tensor:
        u, delta, A, B, C, D, z, bias = given
        return selective_scan(u, delta, A, B, C, D, z, delta_bias=bias, order=x.order, backend="reference")

    assert torch.autograd.gradcheck(call, tensors, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, tensors)


def test_written_out_gradient_of_the_reference_is_its_autograd() -> None:
    x = scan_inputs(2, 9, 5, 3).to(torch.float64)
    dy = torch.randn(x.u.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        written = reference.scan_backward(dy, x.inputs(), torch.empty(0))
    for a, b in zip(written, _gradients(x, dy, backend="reference")[1:], strict=True):
        assert error(a, b) <= 1e-6  # sums over the batch come back in float32


@given(length=st.integers(1, 40), channels=st.integers(1, 80), states=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_an_order_means_permute_scan_permute_back(length: int, channels: int, states: int, seed: int) -> None:
    x = scan_inputs(2, length, channels, states, seed=seed)
    order = x.order
    assert order is not None
    rows = {name: getattr(x, name)[:, order] for name in ("u", "delta", "B", "C", "z")}
    permuted = x.call(order=None, backend="cpu", **rows)[:, torch.argsort(order)]
    assert torch.equal(x.call(backend="cpu"), permuted)


@given(length=st.integers(2, 50), cut=st.integers(1, 49), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_no_step_sees_a_later_one(length: int, cut: int, seed: int) -> None:
    cut = min(cut, length - 1)
    x = scan_inputs(1, length, 5, 4, seed=seed)
    later = x.order[cut:]
    changed = {}
    for name in ("u", "delta", "B", "C"):
        changed[name] = getattr(x, name).clone()
        changed[name][:, later] += 1.0
    before, after = x.call(backend="cpu"), x.call(backend="cpu", **changed)
    assert torch.equal(before[:, x.order[:cut]], after[:, x.order[:cut]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_only_at_the_edges(dtype: torch.dtype) -> None:
    x = scan_inputs(2, 50, 70, 16, views=True).to(dtype)
    x.A, x.D, x.delta_bias = (t.detach().float().requires_grad_() for t in (x.A, x.D, x.delta_bias))
    dy = torch.randn(x.u.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = _gradients(x, dy, backend="cpu")
    exact = _gradients(x.to(torch.float64), dy, backend="reference")
    assert found[0].dtype is dtype
    roundings = torch.finfo(dtype).eps
    assert max(error(a, b) for a, b in zip(found, exact, strict=True)) <= roundings


def test_mixed_types_are_computed_in_the_widest() -> None:
    x = scan_inputs(1, 8, 4, 3)
    mixed = x.call(u=x.u.bfloat16(), backend="cpu")
    assert mixed.dtype is torch.float32
    torch.testing.assert_close(mixed, x.call(u=x.u.bfloat16().float(), backend="cpu"), rtol=0, atol=0)


@pytest.mark.parametrize(("batch", "length"), [(0, 5), (2, 0), (0, 0)])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_nothing_in_nothing_out(batch: int, length: int, backend: str) -> None:
    x = scan_inputs(batch, length, 6, 4).to(torch.float32)
    y = x.call(backend=backend)
    y.sum().backward()
    assert y.shape == (batch, length, 6)
    assert all(t.grad is None or not t.grad.any() for t in x.tensors())


def test_results_are_bitwise_the_same_whatever_the_threads() -> None:
    x = scan_inputs(2, 300, 200, 16).to(torch.float32)
    dy = torch.randn(x.u.shape, generator=torch.Generator().manual_seed(1))
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            runs.append(_gradients(x, dy, backend="cpu"))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_plain_threads_give_the_same_as_openmp(monkeypatch: pytest.MonkeyPatch) -> None:
    x = scan_inputs(2, 300, 200, 16)
    alone = x.call(backend="cpu")
    calls = []

    def threads(kernel: object, address: int, count: int) -> None:
        calls.append(count)
        _run_in_threads(kernel, address, count)

    monkeypatch.setattr("backbones.ops.cpu.workers._parallel", None)
    monkeypatch.setattr("backbones.ops.cpu.workers._run_in_threads", threads)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert torch.equal(x.call(backend="cpu"), alone)
    assert calls == [2]


def _compute_in_child(x: ScanCase, queue: multiprocessing.Queue) -> None:
    queue.put(x.call(backend="cpu").numpy())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_computes_after_its_parent_did() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    x = scan_inputs(2, 300, 200, 16)
    child = context.Process(target=_compute_in_child, args=(x, queue), daemon=True)
    try:
        here = x.call(backend="cpu")
        child.start()
        assert torch.equal(torch.from_numpy(queue.get(timeout=PATIENCE)), here)
        child.join(PATIENCE)
        assert child.exitcode == 0
    finally:
        child.kill()
        torch.set_num_threads(before)


def test_nan_and_infinity_stay_where_they_can_reach() -> None:
    x = scan_inputs(1, 12, 70, 4)
    x.u[0, x.order[5], 3] = float("nan")
    x.u[0, x.order[7], 66] = float("inf")
    y = x.call(backend="cpu")[:, x.order]
    bad = ~torch.isfinite(y[0])
    expected = torch.zeros_like(bad)
    expected[5:, 3] = True
    expected[7:, 66] = True
    assert torch.equal(bad, expected)


@pytest.mark.parametrize("level", [-200.0, -30.0, 30.0, 200.0])
def test_extreme_steps_neither_overflow_nor_lose_the_input(level: float) -> None:
    """softplus is linear far right and vanishes far left, where anything below 1e-20 counts as 0."""
    x = scan_inputs(1, 6, 4, 3, optional=False)
    delta = torch.full_like(x.delta, level)
    exact = x.to(torch.float64).call(delta=delta.double(), backend="reference").detach()
    torch.testing.assert_close(x.call(delta=delta, backend="cpu").double(), exact, rtol=1e-5, atol=1e-20)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_channel_does_not_feel_how_fast_its_neighbours_decay(backend: str) -> None:
    inputs = scan_inputs(2, 37, 8, 16)
    alone = _gradients(inputs.to(torch.float32), torch.ones_like(inputs.u), backend=backend)
    inputs.delta[..., 5] += 90.0  # states are forgotten within the step
    beside = _gradients(inputs.to(torch.float32), torch.ones_like(inputs.u), backend=backend)
    for kept, found in zip(alone[:3], beside[:3], strict=True):  # y, du, ddelta
        assert torch.equal(kept[..., :5], found[..., :5])
        assert torch.equal(kept[..., 6:], found[..., 6:])


def test_a_negative_step_without_softplus_grows_as_the_equation_says() -> None:
    x = scan_inputs(1, 6, 4, 3, optional=False)
    steps = torch.full_like(x.delta, -0.5)
    exact = x.to(torch.float64).call(delta=steps.double(), delta_softplus=False, backend="reference")
    assert error(x.call(delta=steps, delta_softplus=False, backend="cpu"), exact.detach()) <= 1e-5
