"""Peers that the scan and the convolution are timed against, and against what the machine could do at best.

Peers get what they would get in a network: rows in natural order, permuted before and after as the released
zigzag code does it. None of them fuses the order, the softplus or the gate.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, silu, softplus

from backbones.ops import reference, selective_scan
from backbones.ops.cpu.vector import BYTES, exp2, fill, fma, load, store
from backbones.ops.cpu.workers import run
from backbones.ops.scan.inputs import ScanInputs

STATES = 16
OWN = ("ours", "ours, natural order")
CHECKED = 2e-4
"""Largest error against a float32 peer, relative to the largest entry."""
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mambapy_pscan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, bias: Tensor, order: Tensor, rank: Tensor
) -> Tensor:
    """mambapy's parallel scan, the states of all steps at once."""
    pscan = importlib.import_module("mambapy.pscan").pscan
    u, delta, B, C = (x.index_select(1, order) for x in (u, delta, B, C))
    dt = softplus(delta + bias)
    decay, inflow = torch.exp(dt.unsqueeze(-1) * A), (dt * u).unsqueeze(-1) * B.unsqueeze(2)
    y = (pscan(decay, inflow) @ C.unsqueeze(-1)).squeeze(-1) + D * u
    return y.index_select(1, rank)


def sequential(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, bias: Tensor, order: Tensor, rank: Tensor
) -> Tensor:
    """One step after another in PyTorch, the way of `selective_scan_ref`, with a gradient linear in L."""
    return reference.scan(ScanInputs(u, delta, A, B, C, D, None, bias, True, order))


def torch_conv1d(x: Tensor, weight: Tensor, bias: Tensor, order: Tensor, rank: Tensor) -> Tensor:
    """PyTorch's depthwise convolution with the order by index_select."""
    length = x.shape[1]
    y = conv1d(x.index_select(1, order).mT, weight[:, None], bias, padding=weight.shape[1] - 1, groups=x.shape[2])
    return silu(y[..., :length]).mT.index_select(1, rank)


@dataclass(frozen=True)
class Timing:
    """Seconds a call: the least wall time of all, and the least mean processor time of a round, threads added up.

    The least, because whatever else runs on the machine only ever adds. Processor time hardly feels a
    neighbour; within a round it is a mean because the clock lags behind for threads that are still running.
    """

    wall: float
    cpu: float


def timings(calls: Mapping[str, Callable[[], Any]], often: Collection[str] = (), rounds: int = 5) -> dict[str, Timing]:
    """Time each of `calls`, once a round, or six times where its name is in `often`; each was called before.

    The calls take turns, so that a slow minute of the machine hits all alike and never one side of a ratio.
    """
    walls: dict[str, list[float]] = {name: [] for name in calls}
    cpus: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times = 6 if name in often else 1
            cpu = time.process_time()
            for _ in range(times):
                wall = time.perf_counter()
                call()
                walls[name].append(time.perf_counter() - wall)
            cpus[name].append((time.process_time() - cpu) / times)
    return {name: Timing(min(walls[name]), min(cpus[name])) for name in calls}


def inputs(batch: int, channels: int, length: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g)

    streams = {
        "u": normal(batch, length, channels),
        "delta": normal(batch, length, channels) * 0.5 - 2.0,
        "B": normal(batch, length, STATES),
        "C": normal(batch, length, STATES),
    }
    given = {name: x.to(dtype) for name, x in streams.items()}
    given["A"] = -torch.exp(torch.rand(channels, STATES, generator=g) * 2.77)
    given |= {"D": normal(channels), "bias": 0.1 * normal(channels)}
    order = torch.randperm(length, generator=g)
    return given | {"order": order, "rank": torch.argsort(order)}


def ours(x: dict[str, Tensor], order: Tensor | None) -> Tensor:
    return selective_scan(
        x["u"], x["delta"], x["A"], x["B"], x["C"], x["D"], delta_bias=x["bias"], order=order, backend="cpu"
    )


def peer(function: Callable[..., Tensor], x: dict[str, Tensor]) -> Tensor:
    return function(*(x[k] for k in ("u", "delta", "A", "B", "C", "D", "bias", "order", "rank")))


def both(call: Callable[[], Tensor], leaves: list[Tensor], dy: Tensor) -> Callable[[], Any]:
    return lambda: torch.autograd.grad(call(), leaves, dy)


def close(found: Any, right: Any) -> None:
    found, right = ((x,) if isinstance(x, Tensor) else x for x in (found, right))
    for a, b in zip(found, right, strict=True):
        assert float((a - b).abs().max()) <= CHECKED * float(b.abs().max())


def checked_calls(shape: tuple[int, int, int], mode: str) -> dict[str, Callable[[], Any]]:
    """The scan, along both orders, and its peers: all give the same results."""
    x = inputs(*shape)
    calls = {"ours": lambda: ours(x, x["order"]), "ours, natural order": lambda: ours(x, None)}
    if importlib.util.find_spec("mambapy"):
        calls["mambapy pscan"] = lambda: peer(mambapy_pscan, x)
    calls["sequential"] = lambda: peer(sequential, x)
    if mode != "inference":
        leaves = [x[k].requires_grad_() for k in ("u", "delta", "A", "B", "C", "D", "bias")]
        dy = torch.randn(x["u"].shape, generator=torch.Generator().manual_seed(1))
        calls = {name: both(call, leaves, dy) for name, call in calls.items()}
    right = calls["sequential"]()
    for name in calls.keys() - {"sequential", "ours, natural order"}:
        close(calls[name](), right)
    return calls


def times_with_kept_memory(shape: tuple[int, int, int], mode: str) -> dict[str, float]:
    """Seconds of a call where each finds the memory of those before it again; changes this process for good.

    What a call allocates and frees goes back to the system by default, and new pages must be cleared for the next. How
    much time that takes depends on the system, not on the algorithm; a scan that holds all states at once pays most.
    """
    no_mappings, trim_threshold = -4, -1  # of malloc.h
    libc = ctypes.CDLL(None)
    assert libc.mallopt(no_mappings, 0)
    assert libc.mallopt(trim_threshold, 2**31 - 1)
    return {name: t.wall for name, t in timings(checked_calls(shape, mode), often=OWN).items()}


@numba.cfunc(numba.void(numba.types.voidptr), nopython=True)
def _updates(arguments):  # type: ignore[no-untyped-def]
    """State updates on sixteen states that never leave the first-level cache; p[2] sweeps over them."""
    p = numba.carray(arguments, (3,), np.int64)
    scratch = np.zeros(17 * BYTES // 4, np.float32)
    states = (scratch.ctypes.data + 63) // 64 * 64
    rate, flow, y = fill(np.float32(-0.1)), fill(np.float32(0.3)), fill(np.float32(0.0))
    for _ in range(p[2]):
        for n in range(16):
            h = fma(exp2(rate * load(states + n * BYTES)), load(states + n * BYTES), flow * flow)
            store(states + n * BYTES, h)
            y = fma(h, flow, y)
    store(states, y)
    scratch[0] = 0.0


def updates_per_second() -> float:
    """Roof of the arithmetic: one exp2, two FMA and two products per state and step, on all threads."""
    sweeps = 20000
    run(_updates, [sweeps], 1, 0)
    each = timings({"updates": lambda: run(_updates, [sweeps], 1, 0)}, rounds=9)["updates"]
    return THREADS * sweeps * 16 * (BYTES // 4) / each.wall


def copy_bytes_per_second() -> float:
    """Roof of the memory: bytes read plus written by a copy of 256 MiB."""
    source = torch.ones(64 * 2**20)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / timings({"copy": lambda: target.copy_(source)})["copy"].wall


def in_new_process(script: str) -> Any:
    """Run a Python script in a new process with this one's thread count, and return the JSON it prints last."""
    command = [sys.executable, "-c", f"import torch\ntorch.set_num_threads({THREADS})\n{script}"]
    here = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | here)
    return json.loads(done.stdout.splitlines()[-1])
