"""The figures of speed and memory that a suite's results allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from zigbench.report import figures
from zigbench.report.figures import Asked, NoFigureError, ask
from zigbench.report.figures.speed import Roof, Rounds, Spot
from zigbench.report.results import Results
from zigbench.report.speed.series import DIALS, Dial, Line, by_mode, dial_of, lines
from zigbench.report.statistics import mean_interval

KINDS = ("parameters", "gradients", "optimizer", "activations", "allocated", "reserved", "process")
"""Kinds of memory, each the measurement ``memory_<kind>``."""

PEAKS = ("memory_allocated", "memory_process")
"""The peak of a whole call: what tensors held at most, else what the process took above its baseline."""

CEILINGS = {"ceiling_matmul_bfloat16": "bfloat16", "ceiling_matmul_float32": "float32", "ceiling_copy": ""}
"""Measured ceilings that a roofline shows, each with the precision whose matrix products it bounds."""


def peak(found: Results) -> str | None:
    """The measurement that is this suite's peak memory."""
    return next((name for name in PEAKS if len(found.rows(name))), None)


def speed(found: Results, name: str) -> Asked:
    """Images a second over the dial of the figure ``name``."""
    dial = DIALS[name]
    made = _measured(found, dial, "fps")
    return ask(figures.panels, _panels(made), dial.title, "fps", name, "images/s")


def memory(found: Results) -> Asked:
    """Peak memory over the suite's dial."""
    metric = peak(found)
    if metric is None:
        raise NoFigureError("no run has measured its memory")
    dial = dial_of(found) or DIALS["throughput"]
    made, unit = _in_binary(_measured(found, dial, metric))
    which = "tensors held" if metric == "memory_allocated" else "the process took above its baseline"
    caption = f"The most that {which} at once; {unit} are powers of 1,024."
    return ask(figures.panels, _panels(made), dial.title, "peak_memory", "memory", unit, caption=caption)


def memory_kinds(found: Results) -> Asked:
    """A panel for each kind of memory, of training where that was measured."""
    dial = dial_of(found) or DIALS["throughput"]
    by_kind = {kind: lines(found, dial, f"memory_{kind}") for kind in KINDS if len(found.rows(f"memory_{kind}"))}
    if not by_kind:
        raise NoFigureError("no run has measured its memory by kind")
    modes = dict.fromkeys(line.mode for made in by_kind.values() for line in made if line.measured)
    mode = "training" if "training" in modes else next(iter(modes))
    flat = [(kind, line) for kind, made in by_kind.items() for line in made if line.mode == mode and line.measured]
    scaled, unit = _in_binary([line for _, line in flat])
    panels: dict[str, dict[str, tuple[Spot, ...]]] = {}
    for (kind, _), line in zip(flat, scaled, strict=True):
        panels.setdefault(kind.capitalize(), {})[line.label] = line.spots
    what = {"training": "Forward and backward", "inference": "Inference", "sampling": "Sampling"}[mode]
    caption = f"{what}; a panel for each kind."
    return ask(figures.panels, panels, dial.title, "memory", "memory_kinds", unit, slopes=False, caption=caption)


def roofline(found: Results) -> Asked:
    """Attained arithmetic against intensity, one place a cell."""
    dial = dial_of(found) or DIALS["throughput"]
    made = _measured(found, dial, "flop_rate")
    flops, traffic = found.values("flops"), found.values("bytes")
    used = {line.conditions.get("precision", "") for line in made if line.measured} | {""}
    roofs = [
        Roof(
            f"matrix products, {precision}" if precision else "copying",
            mean_interval(found.values(name).to_numpy().ravel()).mean,
            not precision,
        )
        for name, precision in CEILINGS.items()
        if len(found.rows(name)) and precision in used
    ]
    if not any(roof.sloped for roof in roofs) or all(roof.sloped for roof in roofs):
        raise NoFigureError("the device's copy bandwidth and matrix rate were not both measured")
    placed = []
    for line in made:
        spots = []
        for spot, runs in zip(line.spots, line.runs, strict=True):
            intensity = mean_interval([flops.loc[r.arm, r.seed] / traffic.loc[r.arm, r.seed] for r in runs]).mean
            spots.append(replace(spot, x=intensity))
        placed.append(replace(line, spots=tuple(spots)))
    return ask(figures.roofline, _panels(placed), roofs)


def _measured(found: Results, dial: Dial, metric: str) -> tuple[Line, ...]:
    made = lines(found, dial, metric)
    if not any(line.measured for line in made):
        raise NoFigureError(f"no run has measured {metric}")
    return made


def _panels(made: Sequence[Line]) -> dict[str, dict[str, tuple[Spot, ...]]]:
    shown = [line for line in made if line.measured or any(not spot.fits for spot in line.spots)]
    return {mode: {line.label: line.spots for line in of} for mode, of in by_mode(shown).items()}


def _in_binary(made: Sequence[Line]) -> tuple[tuple[Line, ...], str]:
    """Bytes as MiB, or as GiB where the largest is one at least."""
    largest = max((spot.y.mean for line in made for spot in line.measured), default=0.0)
    power, unit = (30, "GiB") if largest >= 2**30 else (20, "MiB")

    def scaled(spot: Spot) -> Spot:
        # What disturbs a time leaves the memory as it is.
        return replace(spot, doubts=(), y=Rounds(tuple(value / 2**power for value in spot.y.values)))

    return tuple(replace(line, spots=tuple(map(scaled, line.spots))) for line in made), unit


FIGURES: Mapping[str, Callable[[Results], Asked]] = {
    **{name: partial(speed, name=name) for name in DIALS},
    "memory": memory,
    "memory_kinds": memory_kinds,
    "roofline": roofline,
}
