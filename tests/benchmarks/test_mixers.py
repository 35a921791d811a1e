"""Speed, precision and memory of Mamba-2, gated linear attention and Gated DeltaNet beside Mamba-1's block."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize, softplus

from backbones.layers.mamba import MambaMixer
from backbones.layers.mixers.gated_deltanet import GatedDeltaNetMixer
from backbones.layers.mixers.gla import GLAMixer
from backbones.layers.mixers.mamba2 import Mamba2Mixer
from backbones.layers.mixers.rows import Visit
from backbones.ops import gated_delta, gated_linear_attention, ssd
from tests.benchmarks import scan_peers as peers

WIDTH, LENGTH = 384, 1024
TARGETS = {"mamba2": 1.0, "gla": 1.5, "gated-deltanet": 2.5}
BACKENDS = ("cpu", "chunked")


def blocks(order: Tensor) -> dict[str, nn.Module]:
    """Return a block of each mixer along one order; heads of 64, and 64 states for Mamba-2."""
    torch.manual_seed(0)
    return {
        "mamba": MambaMixer(WIDTH, order),
        "mamba2": Mamba2Mixer(WIDTH, order, d_state=64, head_width=64),
        "gla": GLAMixer(WIDTH, order, head_width=64),
        "gated-deltanet": GatedDeltaNetMixer(WIDTH, order, head_width=64),
    }


def step(block: nn.Module, x: Tensor) -> Callable[[], Any]:
    """Return a forward and backward pass of a block."""
    return peers.both(lambda: block(x), [x, *block.parameters()], torch.ones_like(x))


def test_blocks_beside_mamba(benchmark: Any) -> None:
    """Take turns on one thread: on a machine with other work, only the processor time of one thread means something."""
    torch.set_num_threads(1)
    x = torch.randn(1, LENGTH, WIDTH, requires_grad=True)
    order = torch.randperm(LENGTH)
    calls = {name: step(block, x) for name, block in blocks(order[None]).items()}
    visit = Visit(order)
    calls["gather and put back"] = peers.both(lambda: visit.put(visit.take(x)), [x], torch.ones_like(x))
    benchmark.pedantic(calls["mamba2"], rounds=3, warmup_rounds=1)
    times = peers.timings(calls, often=calls, rounds=8)
    torch.set_num_threads(peers.THREADS)
    base = times["mamba"].cpu
    benchmark.extra_info |= {
        "width": WIDTH,
        "tokens": LENGTH,
        "processor seconds": {name: time.cpu for name, time in times.items()},
        "wall seconds": {name: time.wall for name, time in times.items()},
        "over mamba": {name: times[name].cpu / base for name in TARGETS},
        "target": TARGETS,
        "share of the gather": {name: times["gather and put back"].cpu / times[name].cpu for name in TARGETS},
    }


def operators(length: int, heads: int, keys: int, values: int) -> dict[str, tuple[Callable[..., Tensor], list[Tensor]]]:
    """Return each operator with normal float64 inputs, decays as at initialisation."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(1, length, *shape, generator=generator, dtype=torch.float64)

    q, k, v = normal(heads, keys), normal(heads, keys), normal(heads, values)
    delta, rates = softplus(normal(heads) - 3), -torch.arange(1.0, heads + 1, dtype=torch.float64)
    decays, strength = logsigmoid(normal(heads, keys)) / 16, torch.sigmoid(normal(heads))
    q, unit = normalize(q, dim=-1), normalize(k, dim=-1)
    return {
        "ssd": (ssd, [v, delta, rates, normal(keys), normal(keys)]),
        "gated linear attention": (gated_linear_attention, [q, k, v, decays]),
        "gated delta rule": (gated_delta, [q, unit, v, delta * rates, strength]),
    }


@pytest.mark.parametrize("length", [64, 1024, 4096])
def test_errors_beside_the_recurrence_in_float64(benchmark: Any, length: int) -> None:
    errors: dict[str, dict[str, float]] = {}
    for name, (function, inputs) in operators(length, 4, 64, 64).items():
        weights = torch.sin(torch.arange(length * 4 * 64, dtype=torch.float64) * 1.7).view(1, length, 4, 64)

        def outcome(backend: str, kind: torch.dtype) -> list[Tensor]:
            leaves = [x.to(kind).requires_grad_() for x in inputs]  # noqa: B023  used within the turn
            y = function(*leaves, backend=backend)  # noqa: B023
            return [y.detach(), *torch.autograd.grad(y, leaves, weights.to(kind))]  # noqa: B023

        inputs = [x.float().double() for x in inputs]
        right = outcome("reference", torch.float64)
        for backend in ("reference", *BACKENDS):
            both = zip(outcome(backend, torch.float32), right, strict=True)
            y, *gradients = (float((a.double() - b).abs().max() / b.abs().max()) for a, b in both)
            errors.setdefault(name, {})[backend] = y
            errors[name][f"{backend}, gradients"] = max(gradients)
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {"length": length, "largest error over largest entry": errors}


_MEMORY = """
from backbones import ops
def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
def once(length):
    leaves = [(sign * 0.01 * torch.rand(shape(length))).requires_grad_() for shape, sign in {inputs}]
    before = peak()
    y = ops.{function}(*leaves, backend="{backend}")
    torch.autograd.grad(y, leaves, torch.ones_like(y))
    return (peak() - before) / (4 * y.numel())
once(64)
print(once({length}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["ssd", "gated linear attention", "gated delta rule"])
def test_memory_is_linear_in_the_length(benchmark: Any, name: str, backend: str) -> None:
    """Peak memory of a forward and backward pass, in multiples of v, does not grow with the length."""
    function, examples = operators(2, 6, 64, 64)[name]
    shapes = [str(tuple(x.shape)).replace("(1, 2,", "(1, length,") for x in examples]
    signs = [-1 if bool((x <= 0).all()) else 1 for x in examples]
    inputs = "[" + ", ".join(f"(lambda length: {a}, {b})" for a, b in zip(shapes, signs, strict=True)) + "]"
    given = {"inputs": inputs, "function": function.__name__, "backend": backend}
    lengths = (8192, 32768)
    multiples = {n: peers.in_new_process(_MEMORY.format(**given, length=n)) for n in lengths}
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {"peak memory, multiples of v": multiples}
    assert all(math.isfinite(multiple) for multiple in multiples.values())
    assert multiples[lengths[-1]] <= 1.3 * multiples[lengths[0]]
