"""Speed of the CPU scan and convolution against peers in the same process; correctness is checked first."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from backbones.ops import causal_conv
from tests.benchmarks import scan_peers as peers

SHAPES = [(1, 1536, 1024), (8, 512, 256), (2, 768, 4096)]  # batch, d_inner, L
LENGTHS = [256, 1024, 4096, 16384, 65536]


@pytest.fixture(autouse=True)
def _all_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(peers.THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def roof() -> dict[str, float]:
    """The machine's best speeds, measured now."""
    return {"updates_per_s": peers.updates_per_second(), "copy_bytes_per_s": peers.copy_bytes_per_second()}


@pytest.mark.parametrize("mode", ["inference", "forward and backward"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}x{s[2]}")
def test_scan_against_peers(benchmark: Any, shape: tuple[int, int, int], mode: str, roof: dict[str, float]) -> None:
    calls = peers.checked_calls(shape, mode)
    benchmark.pedantic(calls["ours"], rounds=15, warmup_rounds=3)
    times = peers.timings(calls, often=peers.OWN)
    best = times["ours"]
    updates = shape[0] * shape[1] * shape[2] * peers.STATES * (1 if mode == "inference" else 3)
    benchmark.extra_info |= {
        "shape": shape,
        "mode": mode,
        "threads": peers.THREADS,
        "seconds": {name: t.wall for name, t in times.items()},
        "processor seconds": {name: t.cpu for name, t in times.items()},
        "ratio": {name: t.wall / best.wall for name, t in times.items() if name not in peers.OWN},
        "ratio of processor time": {name: t.cpu / best.cpu for name, t in times.items() if name not in peers.OWN},
        "random over natural order": best.wall / times["ours, natural order"].wall,
        "random over natural order, processor time": best.cpu / times["ours, natural order"].cpu,
        "roof": roof,
        # A backward pass repeats the forward's updates and does as much again on the way back.
        "share of arithmetic roof": updates / best.wall / roof["updates_per_s"],
    }
    if platform.libc_ver()[0] == "glibc":
        script = _KEPT.format(shape=shape, mode=mode)
        benchmark.extra_info["seconds, memory kept"] = peers.in_new_process(script)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("length", LENGTHS)
def test_scan_against_length(benchmark: Any, length: int, dtype: torch.dtype, roof: dict[str, float]) -> None:
    x = peers.inputs(1, 384, length, dtype)
    with torch.no_grad():
        benchmark.pedantic(lambda: peers.ours(x, x["order"]), rounds=9, warmup_rounds=2)
        orders = {"random": lambda: peers.ours(x, x["order"]), "natural": lambda: peers.ours(x, None)}
        best, natural = peers.timings(orders, often=orders).values()
    leaves = [x[k].requires_grad_() for k in ("u", "delta", "A", "B", "C", "D", "bias")]
    step = peers.both(lambda: peers.ours(x, x["order"]), leaves, torch.ones_like(x["u"]))
    both = peers.timings({"both": step}, often=("both",), rounds=2)["both"]
    benchmark.extra_info |= {
        "L": length,
        "dtype": str(dtype),
        "ns per token": best.wall / length * 1e9,
        "ns per token, forward and backward": both.wall / length * 1e9,
        "processor ns per token": best.cpu / length * 1e9,
        "processor ns per token, forward and backward": both.cpu / length * 1e9,
        "random over natural order": best.wall / natural.wall,
        "random over natural order, processor time": best.cpu / natural.cpu,
        "share of arithmetic roof": 384 * length * peers.STATES / best.wall / roof["updates_per_s"],
    }


@pytest.mark.parametrize("mode", ["inference", "forward and backward"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}x{s[2]}")
def test_conv_against_conv1d(benchmark: Any, shape: tuple[int, int, int], mode: str) -> None:
    g = torch.Generator().manual_seed(0)
    batch, channels, length = shape
    x = torch.randn(batch, length, channels, generator=g)
    weight, bias = torch.randn(channels, 4, generator=g), torch.randn(channels, generator=g)
    order = torch.randperm(length, generator=g)
    rank = torch.argsort(order)

    def ours() -> Any:
        return causal_conv(x, weight, bias, activation="silu", order=order, backend="cpu")

    def peer() -> Any:
        return peers.torch_conv1d(x, weight, bias, order, rank)

    if mode != "inference":
        leaves = [t.requires_grad_() for t in (x, weight, bias)]
        dy = torch.randn(x.shape, generator=g)
        ours, peer = peers.both(ours, leaves, dy), peers.both(peer, leaves, dy)
    peers.close(ours(), peer())
    benchmark.pedantic(ours, rounds=15, warmup_rounds=3)
    best, other = peers.timings({"ours": ours, "torch": peer}, often=("ours", "torch")).values()
    benchmark.extra_info |= {
        "shape": shape,
        "mode": mode,
        "seconds": {"ours": best.wall, "torch conv1d": other.wall},
        "processor seconds": {"ours": best.cpu, "torch conv1d": other.cpu},
        "ratio": {"torch conv1d": other.wall / best.wall},
        "ratio of processor time": {"torch conv1d": other.cpu / best.cpu},
    }


_KEPT = """
import json
import scan_peers
print(json.dumps(scan_peers.times_with_kept_memory({shape}, "{mode}")))
"""

_PREPARE = """
from backbones.ops import selective_scan
def inputs(batch, channels, length):
    x = [torch.randn(batch, length, channels), torch.randn(batch, length, channels), -torch.ones(channels, 16)]
    x += [torch.randn(batch, length, 16), torch.randn(batch, length, 16)]
    x += [torch.randn(channels), torch.randn(batch, length, channels)]
    return [t.requires_grad_() for t in x], torch.randperm(length)
"""

_MEMORY = (
    _PREPARE
    + """
def peak():
    # Most bytes resident so far; of this program alone, unlike getrusage's, which its parent's size enters.
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
def once(x, order, dy):
    return torch.autograd.grad(selective_scan(*x, order=order), x, dy)
x, order = inputs(1, 64, 64)
once(x, order, torch.ones_like(x[0]))
x, order = inputs(2, 768, 4096)
dy = torch.ones_like(x[0])
before = peak()
grads = once(x, order, dy)
print((peak() - before) / (x[0].numel() * 4))
"""
)

_START = (
    """
import time
start = time.perf_counter()
"""
    + _PREPARE
    + """
x, order = inputs(1, 64, 64)
selective_scan(*x, order=order).sum().backward()
print(time.perf_counter() - start)
"""
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_memory_and_start(benchmark: Any) -> None:
    """Start: imports, loading the cached kernels, self-check, forward and backward in a new process."""
    benchmark.pedantic(lambda: peers.in_new_process(_START), rounds=3, warmup_rounds=1)
    seconds = min(peers.in_new_process(_START) for _ in range(3))
    memory = peers.in_new_process(_MEMORY)
    assert memory <= 6.0
    benchmark.extra_info |= {"warm start, seconds": seconds, "extra memory, multiples of u": memory}
