"""A small comparison of one backend with the reference, run before the backend is first used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor
from torch.nn.functional import normalize

from backbones.ops import reference
from backbones.ops.matrix_state import chunked
from backbones.ops.matrix_state.inputs import StateInputs
from backbones.ops.scan.inputs import ScanInputs

FAILED = "failed its self-check"
"""The first words of the reason, for a backend that gave wrong results."""

# Relative to the largest entry.
_TOLERANCE = 1e-4  # float32 kernels stay below 1e-6
_STEPS = 4096  # of the memory that is checked; a plain float32 recurrence stays below 2e-6
# A CPU's exponential errs as often up as down. NVIDIA documents 2^-22 for its own, which may all be one way.
_LONG_TOLERANCE = {"cpu": 1e-5, "cuda": _STEPS * 2.0**-22}


def _inputs(device: torch.device) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    """Scan inputs, convolution inputs, an order and an output gradient, from closed forms: no generator."""
    batch, length, channels, states, width = 2, 21, 10, 16, 4

    def wave(*shape: int, phase: float) -> Tensor:
        return _wave(*shape, phase=phase).to(torch.float32).to(device)

    row = (batch, length, channels)
    scan = [wave(*row, phase=0), wave(*row, phase=1), wave(channels, states, phase=2).abs().neg() - 0.1]
    scan += [wave(batch, length, states, phase=3), wave(batch, length, states, phase=4)]
    scan += [wave(channels, phase=5), wave(*row, phase=6), wave(channels, phase=7)]
    conv = [wave(*row, phase=0), wave(channels, width, phase=8), wave(channels, phase=9)]
    order = (torch.arange(length, dtype=torch.int64, device=device) * 8 % length).view(3, 7)
    return scan, conv, order, wave(*row, phase=10)


def _wave(*shape: int, phase: float) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64, device="cpu") * 1.7 + phase).reshape(shape)


def _worst(results: tuple[Tensor | None, ...], wanted: tuple[Tensor | None, ...]) -> float:
    pairs = [(a, b) for a, b in zip(results, wanted, strict=True) if a is not None and b is not None]
    return max(float((a.double() - b.double()).abs().max() / b.double().abs().max()) for a, b in pairs)


def _compare(scan: ModuleType, conv: ModuleType, device: torch.device) -> str:
    """Compare one sequence, several sequences along the same rows, and a long memory."""
    inputs, window, order, dy = _inputs(device)
    return (
        _compare_along(scan, conv, inputs, window, order.flatten(), dy)
        or _compare_along(scan, conv, inputs, window, order, dy)
        or _compare_memory(scan, device)
    )


def _compare_along(
    scan: ModuleType, conv: ModuleType, inputs: list[Tensor], window: list[Tensor], order: Tensor, dy: Tensor
) -> str:
    oracle: ModuleType = reference
    given, exactly = (
        ScanInputs._make((*(x.to(kind) for x in inputs), True, order)) for kind in (torch.float32, torch.float64)
    )
    y, state = scan.scan_forward(given, True)
    grads = scan.scan_backward(dy, given, state)
    right, nothing = oracle.scan_forward(exactly, True)
    rights = oracle.scan_backward(dy.double(), exactly, nothing)
    mixed = conv.conv_forward(*window, "silu", order), *conv.conv_backward(dy, *window, "silu", order)
    exact = [x.double() for x in window]
    blended = oracle.conv_forward(*exact, "silu", order)
    mixes = blended, *oracle.conv_backward(dy.double(), *exact, "silu", order)
    for what, error in (
        ("scan", _worst((y,), (right,))),
        ("gradient of the scan", _worst(grads, rights)),
        ("convolution or its gradient", _worst(mixed, mixes)),
    ):
        if not error <= _TOLERANCE:  # a NaN fails too
            return f"{FAILED}: {what} is off by {error:.1e} of the largest entry"
    return ""


def _compare_memory(scan: ModuleType, device: torch.device) -> str:
    """Compare the response to an impulse at the first step, and its gradient, with closed forms, which are powers.

    A state that decays slowly multiplies thousands of factors close to 1. An error that all of them share grows with
    their number, and a short comparison does not show it.
    """
    channels, states = 10, 4
    steps = torch.arange(_STEPS, dtype=torch.float64)
    delta = (0.02 + 0.01 * torch.sin(1.7 * steps))[:, None] * torch.linspace(0.5, 1.0, channels, dtype=torch.float64)
    rates = -torch.logspace(-3, -1.5, channels * states, dtype=torch.float64).view(channels, states)
    delta, rates = delta.float(), rates.float()
    total = delta.double().cumsum(0)[..., None]
    ahead = torch.exp(rates.double() * (total - total[0])).sum(-1) * delta[0].double()
    back = torch.exp(rates.double() * (total[-1] - total)).sum(-1) * delta.double()
    u, dy = torch.zeros(2, 1, _STEPS, channels, device=device)
    u[:, 0], dy[:, -1] = 1.0, 1.0
    ones = torch.ones(1, _STEPS, states, device=device)
    inputs = ScanInputs(u, delta[None].to(device), rates.to(device), ones, ones, None, None, None, False, None)
    y, state = scan.scan_forward(inputs, True)
    du = scan.scan_backward(dy, inputs, state)[0]
    error = _worst((y[0].cpu(), du[0].cpu()), (ahead, back))
    if not error <= _LONG_TOLERANCE.get(device.type, _TOLERANCE):
        return f"{FAILED}: over {_STEPS} steps, the content of a slow state is off by {error:.1e} of the largest entry"
    return ""


def _compare_states(module: ModuleType, device: torch.device) -> str:
    """Compare the three recurrences with a matrix-valued state, over more than one chunk, one decay very fast."""
    batch, length, heads = 2, 70, 2
    q, k, v, do, g = (_wave(batch, length, heads, 16, phase=phase) for phase in range(5))
    q, k, g = normalize(q, dim=-1), normalize(k, dim=-1), -g.abs()
    g[:, 31] = -80.0
    beta, shared = _wave(batch, length, heads, phase=5).abs(), g[..., :1]
    tolerance = getattr(module, "TOLERANCE", _TOLERANCE)
    for operator, inputs in (
        ("ssd", StateInputs(q[:, :, :1], k[:, :, :1], v, shared, beta, False)),
        ("gated linear attention", StateInputs(q, k, v, g, None, False)),
        ("gated delta rule", StateInputs(q, k, v, shared, beta, True)),
    ):
        given = StateInputs._make(x.float().to(device) if isinstance(x, Tensor) else x for x in inputs)
        right, states = chunked.forward(inputs)
        rights = chunked.backward(do, inputs, states)
        o, states = module.forward(given)
        grads = module.backward(do.float().to(device), given, states)
        grads = tuple(None if x is None else x.cpu() for x in grads)
        for what, error in (
            (operator, _worst((o.cpu(),), (right,))),
            (f"gradient of {operator}", _worst(grads, rights)),
        ):
            if not error <= tolerance:
                return f"{FAILED}: {what} is off by {error:.1e} of the largest entry"
    return ""


def run(scan: ModuleType, conv: ModuleType, device: torch.device) -> str:
    """Return the fault of a backend of the scan on `device`, as a sentence; empty if it agrees with the reference."""
    return _fault(lambda: _compare(scan, conv, device))


def run_states(module: ModuleType, device: torch.device) -> str:
    """Return the fault of a backend of the matrix-valued states on `device`; empty if it agrees with the reference."""
    return _fault(lambda: _compare_states(module, device))


def _fault(compare: Callable[[], str]) -> str:
    """Return the result of a comparison, or its error, which means the same: the backend does not work here.

    The comparison runs in a thread of its own: the first use may fall inside a compiler's tracing, under
    autocast or inference mode, all of which belong to the calling thread.
    """
    fault = [f"{FAILED}: it did not finish"]

    def work() -> None:
        try:
            with torch.no_grad():
                fault[0] = compare()
        # Any error of a compiler or a driver means the same: the backend does not work here. The error is the reason.
        except Exception as error:
            fault[0] = f"{FAILED}: {type(error).__name__}: {error}"

    thread = threading.Thread(target=work, name="zigbench-self-check")
    thread.start()
    thread.join()
    return fault[0]
