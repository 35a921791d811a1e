"""The registered figures of speed and memory: from a suite's results to drawings of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zigbench.report import formatting
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, request
from zigbench.report.results import Results
from zigbench.report.speed.comparison import peak_memory
from zigbench.report.speed.drawing import Roof, panels, roofline
from zigbench.report.speed.series import (
    MODES,
    PATCHES,
    SWEPT_SIZES,
    Line,
    Rounds,
    SpeedPoint,
    SweptSize,
    by_mode,
    lines,
    swept_size,
)
from zigbench.report.statistics import mean_interval

KINDS = ("parameters", "gradients", "optimizer", "activations", "allocated", "reserved", "process")
"""Kinds of memory, each the measurement ``memory_<kind>``."""

CEILINGS = {"ceiling_matmul_bfloat16": "bfloat16", "ceiling_matmul_float32": "float32", "ceiling_copy": ""}
"""Measured ceilings that a roofline shows, each with the precision whose matrix products it bounds."""


def _register(name: str, size: SweptSize) -> None:
    @figure(name, summary=f"Show images a second over {size.title.lower()}, a panel per mode, with fitted exponents.")
    def speed(results: Results) -> FigureRequest:
        series = _measured(results, size, "fps")
        return request(panels, _by_panel(series), size.title, "fps", name, "images/s")


for _name, _size in SWEPT_SIZES.items():
    _register(_name, _size)


@figure("memory")
def peak_memory_over_size(results: Results) -> FigureRequest:
    """Show the peak memory over the suite's size, a panel per mode, with fitted exponents."""
    metric = peak_memory(results)
    if metric is None:
        raise NoFigureError("no run has measured its memory")
    size = swept_size(results) or PATCHES
    series, unit = _in_binary_units(_measured(results, size, metric))
    kind = "all tensors together" if metric == "memory_allocated" else "the process above its baseline"
    caption = f"The largest memory of {kind} at any time; {unit} are powers of 1,024."
    return request(panels, _by_panel(series), size.title, "peak_memory", "memory", unit, caption=caption)


@figure("memory_kinds")
def memory_by_kind(results: Results) -> FigureRequest:
    """Show the memory over the suite's size, a panel for each kind, of training where that was measured."""
    size = swept_size(results) or PATCHES
    by_kind = {kind: lines(results, size, f"memory_{kind}") for kind in KINDS if len(results.rows(f"memory_{kind}"))}
    if not by_kind:
        raise NoFigureError("no run has measured its memory by kind")
    modes = dict.fromkeys(line.mode for series in by_kind.values() for line in series if line.measured)
    mode = "training" if "training" in modes else next(iter(modes))
    # Inference has no gradients: a logarithmic axis has no place for their zeros.
    flat = [
        (kind, line)
        for kind, of_kind in by_kind.items()
        for line in of_kind
        if line.mode == mode and any(point.drawable for point in line.points)
    ]
    scaled, unit = _in_binary_units([line for _, line in flat])
    by_panel: dict[str, dict[str, tuple[SpeedPoint, ...]]] = {}
    for (kind, _), line in zip(flat, scaled, strict=True):
        by_panel.setdefault(kind.capitalize(), {})[line.label] = line.points
    caption = f"{MODES[mode]}; a panel for each kind."
    return request(panels, by_panel, size.title, "memory", "memory_kinds", unit, exponents=False, caption=caption)


@figure("roofline")
def arithmetic_under_roofs(results: Results) -> FigureRequest:
    """Show the attained arithmetic over its intensity, a point per cell, and the device's measured ceilings."""
    size = swept_size(results) or PATCHES
    series = _measured(results, size, "flop_rate")
    flops, traffic = results.values("flops"), results.values("bytes")
    used = {line.conditions.get("precision", "") for line in series if line.measured} | {""}
    roofs = [
        Roof(
            f"matrix products, {precision}" if precision else "copying",
            mean_interval(results.values(name).to_numpy().ravel()).mean,
            sloped=not precision,
        )
        for name, precision in CEILINGS.items()
        if len(results.rows(name)) and precision in used
    ]
    if not any(roof.sloped for roof in roofs) or all(roof.sloped for roof in roofs):
        raise NoFigureError("the device's copy bandwidth and matrix rate were not both measured")
    placed = []
    for line in series:
        points = []
        for point, runs in zip(line.points, line.runs, strict=True):
            intensity = mean_interval([flops.loc[r.arm, r.seed] / traffic.loc[r.arm, r.seed] for r in runs]).mean
            points.append(replace(point, x=intensity))
        placed.append(replace(line, points=tuple(points)))
    return request(roofline, _by_panel(placed), roofs)


@figure("scaling")
def metrics_over_patches(results: Results) -> dict[str, FigureRequest]:
    """Show every metric over the number of patches, a line per arm, with fitted exponents."""
    requests = {}
    for metric in results.metrics:
        series = _measured(results, PATCHES, metric)
        if not any(len({point.x for point in line.measured}) > 1 for line in series):
            raise NoFigureError("no arm was measured at two sizes")
        name = f"scaling-{formatting.slug(metric)}"
        by_label = {line.label: line.points for line in series}
        requests[f"scaling-{metric}"] = request(
            panels, {formatting.title(metric): by_label}, "Patches", metric, name, results.unit(metric)
        )
    return requests


def _measured(results: Results, size: SweptSize, metric: str) -> tuple[Line, ...]:
    series = lines(results, size, metric)
    if not any(line.measured for line in series):
        raise NoFigureError(f"no run has measured {metric}")
    return series


def _by_panel(series: Sequence[Line]) -> dict[str, dict[str, tuple[SpeedPoint, ...]]]:
    """Return points by mode and label, of the lines that have a figure or a cell that does not fit."""
    shown = [line for line in series if line.measured or any(not point.fits for point in line.points)]
    return {mode: {line.label: line.points for line in of_mode} for mode, of_mode in by_mode(shown).items()}


def _in_binary_units(series: Sequence[Line]) -> tuple[tuple[Line, ...], str]:
    """Convert bytes to MiB, or to GiB where the largest is at least one."""
    largest = max((point.y.mean for line in series for point in line.measured), default=0.0)
    power, unit = (30, "GiB") if largest >= 2**30 else (20, "MiB")

    def convert(point: SpeedPoint) -> SpeedPoint:
        # A disturbance of the time does not change the memory.
        return replace(point, doubts=(), y=Rounds(tuple(value / 2**power for value in point.y.values)))

    return tuple(replace(line, points=tuple(map(convert, line.points))) for line in series), unit
