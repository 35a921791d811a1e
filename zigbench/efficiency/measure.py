"""The measurement of one efficiency run: a network's speed, memory and work on a device, and their conditions."""

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
from zigbench.efficiency import conditions, memory
from zigbench.efficiency.largest_batch import (
    GIB,
    DoesNotFitError,
    attempt,
    largest_fit,
    limited,
    out_of_memory,
    release,
)
from zigbench.efficiency.limits import (
    FORWARD,
    TRAINING,
    Ceilings,
    counted_flops,
    least_seconds,
    matmul,
    measure_ceilings,
    work,
)
from zigbench.efficiency.subject import DTYPES, Subject
from zigbench.efficiency.timing import Times, measure_times, once
from zigbench.records.record import Measurement
from zigbench.spec import EfficiencyRun, EfficiencySpec, Geometry
from zigbench.spec.registry import load_object

Progress = Callable[[str, int, int], None]
Figures = tuple[Measurement, ...]

PERCENTILES = (5, 95)
ABOVE = "faster than the ceilings allow: their own measurement was disturbed, or the work fits into caches"

AGREEMENT = {"float32": 1e-3, "bfloat16": 5e-2, "float16": 5e-2}
"""Share of the largest output, loss or gradient by which a compiled or captured network may differ from the plain."""

UNITS = {"copy": "byte/s", "matmul_float32": "FLOP/s", "matmul_bfloat16": "FLOP/s", "exp": "1/s"}


def measure(
    spec: EfficiencyRun,
    device: torch.device,
    *,
    facts: dict[str, Any],
    on_progress: Progress = lambda phase, done, total: None,
) -> Figures:
    """Time the spec's network on ``device`` and account for its memory and work.

    Args:
        spec: a run's spec, of the task ``efficiency``.
        device: the device to measure on.
        facts: a dict that gets the conditions of the measurement, under ``timing``.
        on_progress: called with (phase, phases done, their total).

    Raises:
        DoesNotFitError: the network does not fit into the device's memory; with the largest size that does, if the spec
            wants it.
        RuntimeError: a kernel's results are wrong, so that its speed is meaningless.
        ValueError: the spec is for another device.
    """
    settings = spec.efficiency
    check_device(spec, device)
    kernel_load = load_kernels(spec, device)
    timing = facts["timing"] = {
        **settings.model_dump(include={"mode", "precision", "compile", "cuda_graphs"}),
        "threads": torch.get_num_threads(),
        "load": _load(),
        "device_type": device.type,
        "keeps_freed": host_memory.keep_freed(),
    }
    on_progress("measuring ceilings", 0, 3)
    ceilings = measure_ceilings(device)
    release(device)
    known = (_figure("patches", spec.geometry.tokens, "count"), *kernel_load, *_ceilings(ceilings))
    with limited(device, settings.memory_gb) as capacity:
        on_progress("timing", 1, 3)
        figures, why = _unless_too_large(lambda: _measure_once(spec, device, ceilings, capacity, timing))
        if figures is None:
            release(device)
            on_progress("search of the largest size", 2, 3)
            raise DoesNotFitError(
                f"does not fit, > {capacity:.3g} GiB: {why.splitlines()[0]}",
                (*known, *_largest(spec, device, capacity)),
            )
    timing["disturbed"] += conditions.drift(ceilings.matmul_float32, matmul(device, torch.float32))
    disturbances = "; ".join(timing["disturbed"])
    disturbed = Measurement(
        name="disturbed", value=float(bool(disturbances)), higher_is_better=False, note=disturbances
    )
    return (*figures, *known, disturbed)


def check_device(spec: EfficiencyRun, device: torch.device) -> None:
    """Check that the device is one that the spec is for.

    Raises:
        ValueError: it is not.
    """
    settings = spec.efficiency
    if settings.device not in (None, device.type):
        raise ValueError(f"efficiency.device is {settings.device}, and this run computes on {device.type}")
    if settings.cuda_graphs and device.type != "cuda":
        raise ValueError(f"efficiency.cuda_graphs needs a CUDA device, and this run computes on {device.type}")


def load_kernels(spec: EfficiencyRun, device: torch.device) -> Figures:
    """Load, compile where needed and check the network's kernels; return the seconds that took.

    Nothing is measured of a network class without ``kernel_faults``.

    Raises:
        RuntimeError: a kernel gives wrong results.
    """
    check = getattr(load_object(spec.config.network), "kernel_faults", None)
    if check is None:
        return ()
    begun = time.perf_counter()
    if faults := check(spec.config, device):
        raise RuntimeError(f"no speed is reported for a wrong kernel: {'; '.join(faults)}")
    return (_figure("kernel_load", time.perf_counter() - begun, "s", better=False),)


def _measure_once(
    spec: EfficiencyRun, device: torch.device, ceilings: Ceilings, capacity: float, timing: dict[str, Any]
) -> Figures:
    settings = spec.efficiency
    process = memory.ProcessMemory()
    subject = Subject.build(spec, device)
    first_call, account = _first_call(subject, capacity)
    # Counted before the memory's peak is measured: the plain network is called for it, not the compiled one.
    calls = subject.evaluations() if settings.mode == "sampling" else 1
    compile_time = _prepare(subject, settings)
    if not settings.cuda_graphs:
        memory.forget_peak(device)
    before = conditions.read()
    taken = measure_times(subject.call, device, seconds=settings.seconds)
    after = conditions.read()
    gpu = conditions.read_gpu(device, lambda: once(subject.call, device))
    disturbed = [*conditions.disturbances(before, after), *gpu.disturbances]
    timing |= {"steady": taken.steady, "warm_up": len(taken.warm_up), "repeats": len(taken.samples)}
    timing |= {"disturbed": disturbed, "gpu": dict(gpu.facts)}
    return (
        *_speed(taken, settings.batch),
        _figure("first_call", first_call, "s", better=False),
        *([_figure("compile_time", compile_time, "s", better=False)] if compile_time is not None else []),
        *([_figure("evaluations", calls, "count")] if settings.mode == "sampling" else []),
        _figure("parameters", count_parameters(subject.network), "count"),
        *_memory(subject, process, account),
        *_work(spec, ceilings, taken.median, calls),
    )


def _first_call(subject: Subject, capacity: float) -> tuple[float, memory.Allocations | None]:
    """Return the seconds of the first call and, for a device whose allocator has no account, an account of its memory.

    Raises:
        MemoryError: it takes more than ``capacity`` GiB.
    """
    if subject.device.type == "cuda":
        return once(subject.call, subject.device), None
    state = memory.state_tensors(subject.optimizer)
    with memory.Allocations([*subject.tensors, *state], limit=capacity * GIB) as account:
        return once(subject.call, subject.device), account


def _prepare(subject: Subject, settings: EfficiencySpec) -> float | None:
    """Compile and capture as the spec says, check that the results agree, and return the seconds of the compilation."""
    if not subject.output().isfinite().all():
        raise RuntimeError("no speed is reported: the network's output is not finite")
    if not settings.compile and not settings.cuda_graphs:
        return None
    plain, again = subject.results(), subject.results()
    compile_time = None
    if settings.compile:
        from torch._inductor import config

        subject.compile()
        # No caches of earlier runs: the time is that of a first compilation.
        with config.patch(force_disable_caches=True):
            compile_time = once(subject.call, subject.device)
    if settings.cuda_graphs:
        memory.forget_peak(subject.device)  # A graph allocates the memory of all its calls here, once.
        subject.capture()
    for name, results in subject.results().items():
        # Two calls of the plain network differ too if it draws random numbers, such as dropped paths.
        error, drawn = _relative_error(results, plain[name]), _relative_error(again[name], plain[name])
        if not error <= AGREEMENT[settings.precision] + drawn:
            raise RuntimeError(f"no speed is reported: compiled or captured, the {name} differ by {error:.2g}")
    return compile_time


def _relative_error(results: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference as a share of the largest expected entry; NaN if any entry is."""
    differences = [(a - b).abs().max() for a, b in zip(results, expected, strict=True)]
    return float(torch.stack(differences).max() / torch.stack([x.abs().max() for x in expected]).max())


def _speed(taken: Times, batch: int) -> Figures:
    seconds = np.asarray(taken.samples)
    rates = batch / seconds
    note = "median of the calls; the interval contains nine tenths of them"
    return (
        _figure("fps", batch / taken.median, "image/s", better=True, samples=rates, note=note),
        _figure("latency", taken.median, "s", better=False, samples=seconds, note=note),
    )


def _memory(subject: Subject, process: memory.ProcessMemory, account: memory.Allocations | None) -> Figures:
    """Measure memory by kind; after the timing, as its hooks slow a call down."""
    figures: dict[str, float] = {**memory.static_memory(subject.network, subject.optimizer)}
    if account is None:
        static = memory.nbytes([*subject.tensors, *memory.state_tensors(subject.optimizer)])
        figures["memory_allocated"] = torch.cuda.max_memory_allocated(subject.device)
        figures["memory_reserved"] = torch.cuda.max_memory_reserved(subject.device)
        free, total = torch.cuda.mem_get_info(subject.device)
        figures["memory_process"] = total - free
        figures["memory_activations"] = figures["memory_allocated"] - static
    else:
        figures["memory_allocated"] = account.peak
        figures["memory_process"] = process.above
        figures["memory_activations"] = account.peak - account.start
    if subject.optimizer is not None:
        # Tensors that the plain network saves in the forward pass for the backward pass.
        subject.forward = subject.network
        saved = memory.Saved(subject.tensors)
        with saved.collecting():
            subject.loss()
        figures["memory_activations"] = saved.bytes
    return tuple(_figure(name, value, "byte", better=False) for name, value in figures.items())


def _work(spec: EfficiencyRun, ceilings: Ceilings, seconds: float, calls: int) -> Figures:
    """Return operations and traffic of a call, the rate attained, and its share of the roofline."""
    settings, geometry = spec.efficiency, spec.geometry
    training = settings.mode == "training"
    # Guided samplers call the network with and without its condition, one after the other.
    counted = counted_flops(spec, geometry, batch=settings.batch, backward=training)
    figures = [] if counted is None else [_figure("flops_counted", counted * calls, "FLOP")]
    cost = spec.cost(geometry, batch=settings.batch)
    if cost is None:
        return tuple(figures)
    whole = work(cost, TRAINING if training else FORWARD, calls)
    size = DTYPES[settings.precision].itemsize
    least = least_seconds(whole, ceilings, precision=settings.precision, value_bytes=size)
    return (
        *figures,
        _figure("flops", whole.flops, "FLOP"),
        _figure("flops_matrix", whole.matrix_flops, "FLOP"),
        _figure("bytes", whole.values * size, "byte"),
        _figure("flop_rate", whole.flops / seconds, "FLOP/s", better=True),
        _figure("roofline_share", least / seconds, "", better=True, note=ABOVE if least > seconds else ""),
    )


def _largest(spec: EfficiencyRun, device: torch.device, capacity: float) -> Figures:
    """Search the largest grid or batch below the spec's that fits, by bisection, if the spec wants it."""
    settings, geometry = spec.efficiency, spec.geometry

    def fits(**smaller: Any) -> bool:
        return attempt(lambda: _first_call(Subject.build(spec, device, **smaller), capacity), device)

    if settings.largest == "batch":
        count = largest_fit(lambda n: fits(batch=n), settings.batch)
        return (_figure("largest_batch", count, "count", better=True),)
    if settings.largest is None:
        return ()
    rows = largest_fit(lambda n: fits(geometry=scaled(geometry, n)), geometry.grid[0])
    tokens = scaled(geometry, rows).tokens if rows else 0
    return (_figure("largest_patches", tokens, "count", better=True),)


def scaled(geometry: Geometry, rows: int) -> Geometry:
    """Return the geometry with ``rows`` rows of patches, and columns in proportion, at least one."""
    across = max(1, round(geometry.grid[1] * rows / geometry.grid[0]))
    return replace(geometry, height=rows * geometry.patch, width=across * geometry.patch)


def _unless_too_large(call: Callable[[], Figures]) -> tuple[Figures | None, str]:
    """Return the figures of ``call``; None and the error's message if memory ran out."""
    try:
        return call(), ""
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        error.__traceback__ = None  # The traceback refers to the frames, and they to the tensors.
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


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
