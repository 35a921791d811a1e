"""One cell: a network's speed, memory and work on a device, with all that a reader needs to believe them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zigbench import host_memory
from zigbench.backbone import count_parameters
from zigbench.efficiency import conditions, memory, roofline
from zigbench.efficiency.ceilings import Ceilings, matmul, measure_ceilings
from zigbench.efficiency.counting import counted_flops
from zigbench.efficiency.fitting import GIB, DoesNotFitError, attempt, largest_fit, limited, out_of_memory, release
from zigbench.efficiency.subject import DTYPES, Subject
from zigbench.efficiency.timing import Times, measure_times, once
from zigbench.records.record import Measurement
from zigbench.spec import EfficiencySpec, Geometry, RunSpec
from zigbench.spec.registry import load_object

Tell = Callable[[str, int, int], None]
Figures = tuple[Measurement, ...]

PERCENTILES = (5, 95)
ABOVE = "faster than the ceilings allow: something disturbed their own measurement, or the work fits into caches"

AGREEMENT = {"float32": 1e-3, "bfloat16": 5e-2, "float16": 5e-2}
"""Share of the largest output, loss or gradient by which a compiled or captured network may differ from the plain."""

UNITS = {"copy": "byte/s", "matmul_float32": "FLOP/s", "matmul_bfloat16": "FLOP/s", "exp": "1/s"}


def measure(
    spec: RunSpec, device: torch.device, *, facts: dict[str, Any], tell: Tell = lambda phase, done, total: None
) -> Figures:
    """Time the spec's network on ``device`` and account for its memory and work.

    Args:
        spec: of a run whose task is ``efficiency``.
        device: where to compute.
        facts: filled with the conditions of the measurement, under ``timing``.
        tell: told how far it is.

    Raises:
        DoesNotFitError: the device's memory does not hold it; carries the largest that it does, where asked for.
        RuntimeError: a kernel's results are wrong, so that its speed says nothing.
        ValueError: the device can't do what the spec asks for.
    """
    asked = _asked(spec)
    refuse(spec, device)
    kernel_load = load_kernels(spec, device)
    timing = facts["timing"] = {
        "mode": asked.mode, "precision": asked.precision, "compile": asked.compile, "cuda_graphs": asked.cuda_graphs,
        "threads": torch.get_num_threads(), "load": _load(), "device_type": device.type,
        "keeps_freed": host_memory.keep_freed(),
    }  # fmt: skip
    tell("measuring ceilings", 0, 3)
    ceilings = measure_ceilings(device)
    release(device)
    known = (_figure("patches", spec.geometry.tokens, "count"), *kernel_load, *_ceilings(ceilings))
    with limited(device, asked.memory_gb) as capacity:
        tell("timing", 1, 3)
        figures, why = _unless_too_large(lambda: _measured(spec, device, ceilings, capacity, timing))
        if figures is None:
            release(device)
            tell("searching the largest that fits", 2, 3)
            raise DoesNotFitError(
                f"does not fit, > {capacity:.3g} GiB: {why.splitlines()[0]}",
                (*known, *_largest(spec, device, capacity)),
            )
    timing["disturbed"] += conditions.drift(ceilings.matmul_float32, matmul(device, torch.float32))
    noticed = "; ".join(timing["disturbed"])
    disturbed = Measurement(name="disturbed", value=float(bool(noticed)), higher_is_better=False, note=noticed)
    return (*figures, *known, disturbed)


def refuse(spec: RunSpec, device: torch.device) -> None:
    """Raise where a speed could not be had; see :func:`measure`."""
    asked = _asked(spec)
    if asked.device not in (None, device.type):
        raise ValueError(f"efficiency.device is {asked.device}, and this run computes on {device.type}")
    if asked.cuda_graphs and device.type != "cuda":
        raise ValueError(f"efficiency.cuda_graphs needs a CUDA device, and this run computes on {device.type}")


def load_kernels(spec: RunSpec, device: torch.device) -> Figures:
    """Seconds until the network's kernels are loaded, compiled where no process has before, and found right.

    Nothing for a network that says nothing of its kernels.

    Raises:
        RuntimeError: one gives wrong results.
    """
    check = getattr(load_object(spec.backbone.config.network), "kernel_faults", None)
    if check is None:
        return ()
    begun = time.perf_counter()
    if faults := check(spec.backbone.config, device):
        raise RuntimeError(f"no speed is reported of a wrong kernel: {'; '.join(faults)}")
    return (_figure("kernel_load", time.perf_counter() - begun, "s", better=False),)


def _measured(
    spec: RunSpec, device: torch.device, ceilings: Ceilings, capacity: float, timing: dict[str, Any]
) -> Figures:
    asked = _asked(spec)
    process = memory.ProcessMemory()
    subject = Subject.build(spec, device)
    first_call, account = _first_call(subject, capacity)
    # Counted before the peak is: for this the network itself is called, neither compiled nor captured.
    calls = subject.evaluations() if asked.mode == "sampling" else 1
    compile_time = _prepare(subject, asked)
    if not asked.cuda_graphs:
        memory.forget_peak(device)
    before = conditions.read()
    taken = measure_times(subject.call, device, seconds=asked.seconds)
    after = conditions.read()
    gpu = conditions.read_gpu(device, lambda: once(subject.call, device))
    disturbed = [*conditions.disturbances(before, after), *gpu.disturbances]
    timing |= {"steady": taken.steady, "warm_up": len(taken.warm_up), "repeats": len(taken.samples)}
    timing |= {"disturbed": disturbed, "gpu": dict(gpu.facts)}
    return (
        *_speed(taken, asked.batch),
        _figure("first_call", first_call, "s", better=False),
        *([_figure("compile_time", compile_time, "s", better=False)] if compile_time is not None else []),
        *([_figure("evaluations", calls, "count")] if asked.mode == "sampling" else []),
        _figure("parameters", count_parameters(subject.network), "count"),
        *_memory(subject, process, account),
        *_work(spec, ceilings, taken.median, calls),
    )


def _first_call(subject: Subject, capacity: float) -> tuple[float, memory.Allocations | None]:
    """Seconds of the first call, and the account of its memory where the device keeps none itself.

    Raises:
        MemoryError: it takes more than so many GiB.
    """
    if subject.device.type == "cuda":
        return once(subject.call, subject.device), None
    state = memory.state_tensors(subject.optimizer)
    with memory.Allocations([*subject.tensors, *state], limit=capacity * GIB) as account:
        return once(subject.call, subject.device), account


def _prepare(subject: Subject, asked: EfficiencySpec) -> float | None:
    """Compile and capture as asked, check that the results are right; seconds of the compilation."""
    if not subject.output().isfinite().all():
        raise RuntimeError("no speed is reported: the network's output is not finite")
    if not asked.compile and not asked.cuda_graphs:
        return None
    plain, again = subject.results(), subject.results()
    compile_time = None
    if asked.compile:
        from torch._inductor import config

        subject.compile()
        # What an earlier run compiled is not taken: the time is that of somebody's first compilation.
        with config.patch(force_disable_caches=True):
            compile_time = once(subject.call, subject.device)
    if asked.cuda_graphs:
        memory.forget_peak(subject.device)  # What a graph's calls take is taken here, once for all of them.
        subject.capture()
    for what, found in subject.results().items():
        # What is drawn anew in each call, such as a dropped path, can't be told from an error.
        error, drawn = _off(found, plain[what]), _off(again[what], plain[what])
        if not error <= AGREEMENT[asked.precision] + drawn:
            raise RuntimeError(f"no speed is reported: compiled or captured, the {what} differ by {error:.2g}")
    return compile_time


def _off(found: list[Tensor], wanted: list[Tensor]) -> float:
    """The largest difference as a share of the largest entry wanted; NaN where any is."""
    apart = [(a - b).abs().max() for a, b in zip(found, wanted, strict=True)]
    return float(torch.stack(apart).max() / torch.stack([x.abs().max() for x in wanted]).max())


def _speed(taken: Times, batch: int) -> Figures:
    seconds = np.asarray(taken.samples)
    rates = batch / seconds
    words = "median of the calls; the interval holds nine tenths of them"
    return (
        _figure("fps", batch / taken.median, "image/s", better=True, samples=rates, note=words),
        _figure("latency", taken.median, "s", better=False, samples=seconds, note=words),
    )


def _memory(subject: Subject, process: memory.ProcessMemory, account: memory.Allocations | None) -> Figures:
    """Memory by kind. Run after the timing, as its hooks slow a call down."""
    found: dict[str, float] = {**memory.held(subject.network, subject.optimizer)}
    if account is None:
        there = memory.nbytes([*subject.tensors, *memory.state_tensors(subject.optimizer)])
        found["memory_allocated"] = torch.cuda.max_memory_allocated(subject.device)
        found["memory_reserved"] = torch.cuda.max_memory_reserved(subject.device)
        free, total = torch.cuda.mem_get_info(subject.device)
        found["memory_process"] = total - free
        found["memory_activations"] = found["memory_allocated"] - there
    else:
        found["memory_allocated"] = account.peak
        found["memory_process"] = process.above
        found["memory_activations"] = account.peak - account.start
    if subject.optimizer is not None:
        # What is kept from the forward pass for the backward pass, of the network as it is without a compiler.
        subject.forward = subject.network
        saved = memory.Saved(subject.tensors)
        with saved.collecting():
            subject.loss()
        found["memory_activations"] = saved.bytes
    return tuple(_figure(name, value, "byte", better=False) for name, value in found.items())


def _work(spec: RunSpec, ceilings: Ceilings, seconds: float, calls: int) -> Figures:
    """Operations and traffic of a call, the rate attained, and the share of what the device allows."""
    asked, config, geometry = _asked(spec), spec.backbone.config, spec.geometry
    training = asked.mode == "training"
    # Guided samplers call the network with and without its condition, one after the other.
    counted = counted_flops(config, geometry, batch=asked.batch, backward=training)
    figures = [] if counted is None else [_figure("flops_counted", counted * calls, "FLOP")]
    cost = config.cost(geometry, batch=asked.batch)
    if cost is None:
        return tuple(figures)
    whole = roofline.work(cost, roofline.TRAINING if training else roofline.FORWARD, calls)
    size = DTYPES[asked.precision].itemsize
    least = roofline.least_seconds(whole, ceilings, precision=asked.precision, value_bytes=size)
    return (
        *figures,
        _figure("flops", whole.flops, "FLOP"),
        _figure("bytes", whole.values * size, "byte"),
        _figure("flop_rate", whole.flops / seconds, "FLOP/s", better=True),
        _figure("roofline_share", least / seconds, "", better=True, note=ABOVE if least > seconds else ""),
    )


def _largest(spec: RunSpec, device: torch.device, capacity: float) -> Figures:
    """The largest grid or batch below the spec's that fits, found by bisection; nothing where it is not asked for."""
    asked, geometry = _asked(spec), spec.geometry

    def fits(**smaller: Any) -> bool:
        return attempt(lambda: _first_call(Subject.build(spec, device, **smaller), capacity), device)

    if asked.largest == "batch":
        count = largest_fit(lambda n: fits(batch=n), asked.batch)
        return (_figure("largest_batch", count, "count", better=True),)
    if asked.largest is None:
        return ()
    rows = largest_fit(lambda n: fits(geometry=scaled(geometry, n)), geometry.grid[0])
    tokens = scaled(geometry, rows).tokens if rows else 0
    return (_figure("largest_patches", tokens, "count", better=True),)


def scaled(geometry: Geometry, rows: int) -> Geometry:
    """The geometry with so many rows of patches, and columns in proportion, one at least."""
    across = max(1, round(geometry.grid[1] * rows / geometry.grid[0]))
    return replace(geometry, height=rows * geometry.patch, width=across * geometry.patch)


def _unless_too_large(work: Callable[[], Figures]) -> tuple[Figures | None, str]:
    """What ``work`` measures; None, and what was said, where memory ran out."""
    try:
        return work(), ""
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        error.__traceback__ = None  # It refers to the frames, and they to the tensors.
        return None, str(error) or type(error).__name__


def _ceilings(ceilings: Ceilings) -> Figures:
    return tuple(_figure(f"ceiling_{name}", rate, UNITS[name], better=True) for name, rate in asdict(ceilings).items())


def _figure(
    name: str, value: float, unit: str, *, better: bool | None = None, samples: Any = (), note: str = ""
) -> Measurement:
    interval = tuple(float(x) for x in np.percentile(samples, PERCENTILES)) if len(samples) else None
    return Measurement(
        name=name,
        value=float(value),
        unit=unit,
        higher_is_better=better,
        samples=tuple(float(x) for x in samples),
        interval=interval,  # type: ignore[arg-type]
        note=note,
    )


def _asked(spec: RunSpec) -> EfficiencySpec:
    assert spec.efficiency is not None
    return spec.efficiency


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
