"""Times on a GPU, and what the GPU at hand can do at most."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl

from backbones.ops.gpu.functions import exp2
from backbones.ops.scan import triton as triton_scan

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")


def _now() -> float:
    if CUDA:
        torch.cuda.synchronize()
    return time.perf_counter()


def host_times(calls: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Seconds a call, launched from Python one after another, `repeats` samples."""
    samples = []
    for _ in range(repeats):
        start = _now()
        for call in calls:
            call()
        samples.append((_now() - start) / len(calls))
    return samples


def device_times(calls: list[Callable[[], Any]], repeats: int) -> tuple[list[float], str]:
    """Seconds a call, and their clock: "graph" for a replayed CUDA graph of all `calls`, "host" where there is none."""
    for call in calls:
        call()
    if not CUDA:
        return host_times(calls, repeats), "host"
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        calls[0]()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            for call in calls:
                call()
    except RuntimeError:  # a peer that cannot be captured is timed as it is launched
        return host_times(calls, repeats), "host"
    graph.replay()
    samples = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        samples.append(start.elapsed_time(end) / 1e3 / len(calls))
    return samples, "graph"


@triton.jit
def _exponentials(out, rounds, BLOCK: tl.constexpr):
    x = tl.arange(0, BLOCK).to(tl.float32) * -1e-3
    for _ in range(0, rounds):
        x = exp2(x)
    tl.store(out + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), x)


def ceilings(size: int) -> dict[str, float]:
    """Bytes a second of a copy, read and written, and exponentials a second in registers; measured here and now."""
    source, target = torch.randn(size, device=DEVICE), torch.empty(size, device=DEVICE)
    copy = statistics.median(device_times([lambda: target.copy_(source)], 9)[0])
    programs, rounds, block = (16 * triton_scan.warp_schedulers(DEVICE), 4096, 1024) if CUDA else (1, 4, 64)
    out = torch.empty(programs * block, device=DEVICE)
    exp = statistics.median(device_times([lambda: _exponentials[(programs,)](out, rounds, BLOCK=block)], 5)[0])
    return {"copy_bytes_per_second": 8 * size / copy, "exp2_per_second": programs * rounds * block / exp}
