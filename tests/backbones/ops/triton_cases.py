"""Run the Triton kernels on many cases against plain loops in float64; print the errors as JSON.

A script of its own, because Triton decides at its first import whether kernels are compiled or interpreted:
without a GPU, start it with TRITON_INTERPRET=1. Prints {case: {quantity: relative error}}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backbones.ops import reference
from backbones.ops.conv import triton as triton_conv
from backbones.ops.scan import triton as triton_scan
from backbones.ops.scan import triton_split
from backbones.ops.scan.inputs import ScanInputs

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SCAN_QUANTITIES = ("y", "du", "ddelta", "dA", "dB", "dC", "dD", "dz", "ddelta_bias")
CONV_QUANTITIES = ("y", "dx", "dweight", "dbias")


@dataclass(frozen=True)
class Case:
    """One call. `schedulers` decides how L is split: few make one pass, many make chunks."""

    batch: int
    length: int
    channels: int
    states: int  # of the scan; width of the convolution
    schedulers: int = 4
    order: bool = True
    skip: bool = True
    gate: bool = True
    bias: bool = True
    softplus: bool = True
    activation: str | None = "silu"
    views: bool = False
    sequences: int = 1  # the order is cut into; divides the length
    dtype: torch.dtype = torch.float32


SCANS = {
    "one step": Case(1, 1, 3, 2),
    "one pass, natural order": Case(2, 13, 5, 4, order=False),
    "chunks, natural order": Case(1, 21, 5, 4, schedulers=32, order=False),
    "one pass": Case(2, 11, 9, 3),
    "chunks": Case(1, 19, 7, 4, schedulers=18),
    "two channel blocks": Case(1, 10, 38, 2, schedulers=8),
    "two channels a lane": Case(1, 5, 66, 2, schedulers=1),
    "sixteen states": Case(1, 9, 4, 16, schedulers=32),
    "one state": Case(1, 10, 4, 1, schedulers=32),
    "scan alone": Case(1, 10, 4, 4, schedulers=32, skip=False, gate=False, bias=False, softplus=False),
    "no gate": Case(1, 9, 3, 4, gate=False),
    "no skip": Case(1, 9, 3, 4, skip=False),
    "bias without softplus": Case(1, 9, 3, 4, schedulers=32, softplus=False),
    "views": Case(2, 10, 5, 3, schedulers=32, views=True),
    "sequences": Case(2, 15, 5, 4, sequences=3),
    "sequences in chunks": Case(1, 38, 5, 3, schedulers=36, sequences=2),
    "sequences of one step": Case(1, 5, 3, 2, sequences=5),
    "bfloat16, unaligned": Case(1, 9, 5, 4, views=True, dtype=torch.bfloat16),
    "bfloat16": Case(1, 9, 66, 4, schedulers=1, dtype=torch.bfloat16),
    "float16": Case(1, 5, 66, 4, schedulers=1, dtype=torch.float16),
}

# For a GPU, whose chunks have 32 steps at least and are as many as it has room for.
ON_GPU = {
    "long": Case(2, 150, 70, 16),
    "long, bare": Case(1, 99, 40, 3, skip=False, gate=False, bias=False, order=False),
    "long sequences": Case(1, 130, 66, 16, sequences=2, views=True),
}

# Too wide for gradients in the interpreter.
FORWARDS = {
    "two channels a lane, chunks": Case(1, 33, 66, 2, schedulers=4),
    "forty states": Case(1, 9, 18, 40, schedulers=1),
    "four channels a lane": Case(1, 5, 129, 1, schedulers=1),
}

TANGENTS = {
    "one pass": Case(2, 11, 9, 3),
    "bare, natural order": Case(1, 7, 5, 16, order=False, skip=False),
    "sequences": Case(1, 12, 34, 4, sequences=3),
    "bfloat16": Case(1, 9, 5, 4, dtype=torch.bfloat16),
}

CONVS = {
    "one step": Case(1, 1, 3, 4),
    "shorter than the width": Case(2, 2, 3, 4),
    "one tap": Case(1, 37, 3, 1, activation=None),
    "one channel": Case(1, 5, 1, 4),
    "two blocks, chunks": Case(2, 70, 37, 4, schedulers=32),
    "natural order": Case(1, 40, 5, 4, schedulers=32, order=False),
    "wide": Case(1, 39, 3, 9, schedulers=32),
    "sequences": Case(2, 15, 5, 4, sequences=5),
    "sequences in chunks": Case(2, 66, 3, 4, schedulers=64, sequences=2),
    "no bias, no activation": Case(1, 35, 3, 3, schedulers=32, bias=False, activation=None),
    "views": Case(2, 33, 5, 4, schedulers=32, views=True),
    "bfloat16": Case(1, 33, 5, 4, views=True, dtype=torch.bfloat16),
    "float16": Case(1, 33, 5, 4, dtype=torch.float16),
}


def drawn(count: int, seed: int) -> dict[str, Case]:
    """Random scans: any flags, small sizes with every remainder."""
    generator = torch.Generator().manual_seed(seed)

    def pick(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    cases = {}
    for i in range(count):
        flags = [bool(pick(0, 2)) for _ in range(6)]
        cases[f"drawn {i}"] = Case(
            pick(1, 3), pick(1, 26), pick(1, 10), pick(1, 7), 4 * pick(1, 12), *flags[:5], views=flags[5]
        )
    return cases


def scan_oracle(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, z: Tensor | None,
    bias: Tensor | None, softplus: bool, order: Sequence[int], run: int,
) -> Tensor:  # fmt: skip
    """y by the defining recurrence, a loop over the visiting order in runs of so many steps, in the inputs' type."""
    rows: list[Tensor] = [u[:, 0]] * u.shape[1]
    for step, k in enumerate(order):
        if step % run == 0:
            h = torch.zeros(u.shape[0], *A.shape, dtype=u.dtype)
        dt = delta[:, k] if bias is None else delta[:, k] + bias
        if softplus:
            dt = torch.log1p(torch.exp(-dt.abs())) + dt.clamp(min=0)
        h = torch.exp(dt[:, :, None] * A) * h + (dt * u[:, k])[:, :, None] * B[:, k, None, :]
        y = (h * C[:, k, None, :]).sum(2)
        if D is not None:
            y = y + D * u[:, k]
        if z is not None:
            y = y * z[:, k] / (1 + torch.exp(-z[:, k]))
        rows[k] = y
    return torch.stack(rows, 1)


def conv_oracle(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Sequence[int], run: int
) -> Tensor:
    """y by the defining sum, a loop over the visiting order and the taps, in the inputs' type."""
    rows: list[Tensor] = [x[:, 0]] * x.shape[1]
    width = weight.shape[1]
    for k, row in enumerate(order):
        p = torch.zeros_like(x[:, 0]) if bias is None else bias.expand_as(x[:, 0])
        for i in range(width):
            if k % run - width + 1 + i >= 0:
                p = p + weight[:, i] * x[:, order[k - width + 1 + i]]
        rows[row] = p / (1 + torch.exp(-p)) if activation == "silu" else p
    return torch.stack(rows, 1)


def _error(found: Tensor, wanted: Tensor) -> float:
    """‖found - wanted‖ / ‖wanted‖; infinite where found is not finite."""
    found = found.double().cpu()
    if found.shape != wanted.shape or not bool(found.isfinite().all()):
        return float("inf")
    return float((found - wanted).norm() / wanted.norm().clamp(min=1e-12))


def _compare(
    names: Sequence[str], found: Sequence[Tensor | None], wanted: Tensor, inputs: Sequence[Tensor | None], dy: Tensor
) -> dict[str, float]:
    given = [x for x in inputs if x is not None]
    # A loop of one step uses no A: its gradient is then zero, not absent.
    grads = iter(torch.autograd.grad(wanted, given, dy, allow_unused=True, materialize_grads=True))
    expected = [wanted.detach(), *(None if x is None else next(grads) for x in inputs)]
    assert [x is None for x in found] == [x is None for x in expected]
    return {n: _error(f, e) for n, f, e in zip(names, found, expected, strict=True) if e is not None}


def _doubles(inputs: Sequence[Tensor | None]) -> list[Tensor | None]:
    return [None if x is None else x.detach().cpu().double().requires_grad_() for x in inputs]


def _same(first: Sequence[Tensor | None], second: Sequence[Tensor | None]) -> float:
    pairs = ((a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None)
    return 0.0 if all(torch.equal(a, b) for a, b in pairs) else float("inf")


def _shared(found: Sequence[Tensor | None]) -> float:
    """Infinite where two results share their memory, which those of a custom op may not."""
    held = [x.untyped_storage().data_ptr() for x in found if x is not None]
    return 0.0 if len(set(held)) == len(held) else float("inf")


def _spaced(x: Tensor) -> Tensor:
    """The same entries, each with another one behind it in memory."""
    return torch.stack([x, x.flip(-1)], -1)[..., 0]


def run_scan(case: Case, seed: int, gradients: bool = True) -> dict[str, float]:
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    b, n, d, s = case.batch, case.length, case.channels, case.states
    pair, mixed = rand(b, n, 2 * d), rand(b, n, 3 + 2 * s)
    u, z = (pair[..., :d], pair[..., d:]) if case.views else (rand(b, n, d), rand(b, n, d))
    B, C = (mixed[..., 3 : 3 + s], mixed[..., 3 + s :]) if case.views else (rand(b, n, s), rand(b, n, s))
    delta = rand(b, n, d) - 1 if case.softplus else rand(b, n, d).abs()
    bias = rand(d) * 0.5 if case.softplus else rand(d).abs()
    streams = [x.to(DEVICE, case.dtype) for x in (u, delta, B, C, z)]
    if case.views:  # .to() may have copied: put B and C back side by side
        both = torch.cat([streams[2][..., :1], streams[2], streams[3]], 2)
        streams[2:4] = [both[..., 1 : 1 + s], both[..., 1 + s :]]
    A = -torch.rand((d, s), generator=generator) - 0.1
    inputs = [
        *streams[:2], A.to(DEVICE), *streams[2:4], rand(d).to(DEVICE) if case.skip else None,
        streams[4] if case.gate else None, bias.to(DEVICE) if case.bias else None,
    ]  # fmt: skip
    order = torch.randperm(n, generator=generator) if case.order else torch.arange(n)
    given = order.view(case.sequences, -1).squeeze(0).to(DEVICE) if case.order else None
    if case.views:
        inputs[5], inputs[7], given = (None if x is None else _spaced(x) for x in (inputs[5], inputs[7], given))
    dy = rand(b, n, d).to(DEVICE, case.dtype)

    triton_scan.SCHEDULERS = case.schedulers if DEVICE == "cpu" else None
    doubles = _doubles(inputs)
    wanted = scan_oracle(*doubles, case.softplus, order.tolist(), n // case.sequences)
    scan = ScanInputs(*inputs, case.softplus, given)
    plain, none = triton_scan.scan_forward(scan, False)
    if not gradients:
        return {"y": _error(plain, wanted.detach()), "repeat": 0.0, "without state": float(none.numel())}
    results = []
    for _ in range(2 if "bfloat16" in str(case.dtype) else 1):
        y, state = triton_scan.scan_forward(scan, True)
        assert tuple(state.shape) == triton_scan.scan_state_shape(b, n, d, s, case.sequences)
        results.append((y, *triton_scan.scan_backward(dy, scan, state)))
    errors = _compare(SCAN_QUANTITIES, results[0], wanted, doubles, dy.double().cpu())
    errors["shared"] = _shared(results[0])
    return {**errors, "repeat": _same(results[0], results[-1]), "without state": _same((plain,), (y,)) + none.numel()}


def run_tangent(case: Case, seed: int) -> dict[str, float]:
    """The tangent of y along random directions against the reference's, which is written out and in float64."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(DEVICE, case.dtype)

    b, n, d, s = case.batch, case.length, case.channels, case.states
    order = torch.randperm(n, generator=generator).view(case.sequences, -1).squeeze(0) if case.order else None

    def drawn_inputs() -> tuple[Tensor | None, ...]:
        rest = (rand(d), rand(b, n, d), rand(d)) if case.skip else (None, None, None)
        return rand(b, n, d), rand(b, n, d) - 1, rand(d, s), rand(b, n, s), rand(b, n, s), *rest

    values, along = drawn_inputs(), drawn_inputs()
    values = (*values[:2], -values[2].abs() - 0.1, *values[3:])
    doubles = [ScanInputs(*(None if v is None else v.double().cpu() for v in x), True, order) for x in (values, along)]
    given = None if order is None else order.to(DEVICE)
    moved = triton_scan.scan_tangent(*(ScanInputs(*x, True, given) for x in (values, along)))
    return {"y": _error(moved, reference.scan_tangent(*doubles))}


def run_conv(case: Case, seed: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(DEVICE)

    b, n, d = case.batch, case.length, case.channels
    x = rand(b, n, 2 * d).to(case.dtype)[..., d:] if case.views else rand(b, n, d).to(case.dtype)
    weight = rand(case.states, d).t() if case.views else rand(d, case.states)
    inputs = [x, weight, rand(d) if case.bias else None]
    order = torch.randperm(n, generator=generator) if case.order else torch.arange(n)
    given = order.view(case.sequences, -1).squeeze(0).to(DEVICE) if case.order else None
    if case.views:
        inputs[2], given = (None if x is None else _spaced(x) for x in (inputs[2], given))
    dy = rand(b, n, d).to(case.dtype)
    triton_scan.SCHEDULERS = case.schedulers if DEVICE == "cpu" else None
    y = triton_conv.conv_forward(*inputs, case.activation, given)
    found = (y, *triton_conv.conv_backward(dy, *inputs, case.activation, given))
    doubles = _doubles(inputs)
    wanted = conv_oracle(*doubles, case.activation, order.tolist(), n // case.sequences)
    errors = _compare(CONV_QUANTITIES, found, wanted, doubles, dy.double().cpu())
    return {**errors, "shared": _shared(found)}


def run_empty() -> dict[str, float]:
    """Shapes, for no batch element, no step and no channel: nothing is launched, gradients are zero."""
    wrong = 0
    for b, n, d in ((0, 5, 3), (2, 0, 3), (2, 5, 0)):
        u, B, A = (
            torch.ones(b, n, d, device=DEVICE),
            torch.ones(b, n, 4, device=DEVICE),
            torch.ones(d, 4, device=DEVICE),
        )
        skip = torch.ones(d, device=DEVICE)
        scan = ScanInputs(u, u, -A, B, B, skip, None, None, True, None)
        y, state = triton_scan.scan_forward(scan, True)
        grads = triton_scan.scan_backward(u, scan, state)
        found = [y, *grads[:6]]
        wrong += sum(f.shape != w.shape or bool(f.any()) for f, w in zip(found, [u, u, u, A, B, B, skip], strict=True))
        y = triton_conv.conv_forward(u, A, None, None, None)
        dx, dweight, dbias = triton_conv.conv_backward(u, u, A, None, None, None)
        wrong += int(y.shape != u.shape or dx.shape != u.shape or dweight.shape != A.shape or dbias is not None)
    return {"shapes": float(wrong)}


def main() -> None:
    """All cases; on a CPU with short intervals, so that few steps already make several chunks."""
    # Fresh memory is filled with NaN: an element that no kernel wrote shows, and so does one read unwritten.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    results = {"available": triton_scan.available(), "device": DEVICE, "scan": {}, "conv": {}}
    if DEVICE == "cpu":
        triton_split.INTERVAL = 8
        triton_conv.SHORTEST = 8
    scans = {**SCANS, **drawn(4, seed=11), **(ON_GPU if DEVICE == "cuda" else {})}
    for i, (name, case) in enumerate(scans.items()):
        results["scan"][name] = run_scan(case, i)
    for i, (name, case) in enumerate(FORWARDS.items()):
        results["scan"][name] = run_scan(case, i, gradients=False)
    for i, (name, case) in enumerate(CONVS.items()):
        results["conv"][name] = run_conv(case, i)
    results["tangent"] = {name: run_tangent(case, i) for i, (name, case) in enumerate(TANGENTS.items())}
    triton_scan.PARTIAL_BYTES = 1
    results["scan"]["batch in turns"] = run_scan(Case(3, 9, 4, 3, schedulers=32), 100)
    results["empty"] = run_empty()
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
