"""A suite of speeds whose laws are known: a scan linear in the patches, attention linear and quadratic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.records.environment import environment
from zigbench.records.folder import RunFolder
from zigbench.records.record import Failure, Measurement, Record
from zigbench.suite import Axis, Cell, Suite, expand, grid

SIDES = (8, 16, 32, 64)
SCAN, LINEAR, QUADRATIC = 1e-5, 4e-6, 1e-8
"""Seconds a patch of the scan; a patch and a pair of patches of attention: they cross at 600 patches."""

CROSSING = (SCAN - LINEAR) / QUADRATIC
CEILINGS = {"copy": 2e10, "matmul_float32": 1e11, "matmul_bfloat16": 2e11, "exp": 1e9}

ARMS = {
    "zigma": {"backbone.name": "zigma", "scan.schemes": 1},
    "parallel": {"backbone.name": "parallel", "scan.schemes": 1},
    "dit": {"backbone.name": "dit"},
}


def suite(**changes: Any) -> Suite:
    """Three backbones × four grids × two modes × three rounds."""
    sizes = {f"{n}×{n}": {"data.config.height": n, "data.config.width": n} for n in SIDES}
    known: dict[str, Any] = {
        "name": "speed",
        "question": "How do speed and memory go with the number of patches?",
        "base": {"task": "efficiency", "data.name": "shape", "backbone.patch": 1},
        "axes": (
            Axis("arm", ARMS),
            Axis("grid", sizes),
            grid("efficiency.mode", ["inference", "training"], "mode"),
            grid("seed", [0, 1, 2]),
        ),
        "metrics": ("fps", "latency", "memory_allocated"),
        "baseline": "zigma",
        "equal": {"parameters": 0.02},
        "figures": ("throughput", "memory", "memory_kinds", "roofline"),
    }
    return Suite(**{**known, **changes})


def seconds(cell: Cell) -> float:
    n = cell.spec.geometry.tokens
    factor = 3.0 if cell.labels["mode"] == "training" else 1.0
    if cell.labels["arm"] == "dit":
        return factor * (LINEAR * n + QUADRATIC * n**2)
    return factor * SCAN * n * (2.0 if cell.labels["arm"] == "parallel" else 1.0)


def measurements(cell: Cell, noise: float, disturbed: str) -> tuple[Measurement, ...]:
    taken, n = seconds(cell) * noise, cell.spec.geometry.tokens
    rates = tuple(float(r) for r in np.linspace(0.95, 1.05, 21) / taken)
    pairs = n**2 if cell.labels["arm"] == "dit" else 0
    flops, traffic = 2e4 * n + 10.0 * pairs, 4e3 * n + 4.0 * pairs
    kinds = {"parameters": 4e6, "activations": 1e4 * n + 2.0 * pairs, "allocated": 4e6 + 1e4 * n + 2.0 * pairs}
    kinds["gradients"] = 4e6 if cell.labels["mode"] == "training" else 0.0
    figures: dict[str, tuple[float, str]] = {
        "latency": (taken, "s"), "first_call": (1.0 + taken, "s"), "patches": (n, "count"),
        "parameters": (1_000_000, "count"), "flops": (flops, "FLOP"), "bytes": (traffic, "byte"),
        "flop_rate": (flops / taken, "FLOP/s"), "roofline_share": (0.02, ""),
        **{f"memory_{kind}": (size, "byte") for kind, size in kinds.items()},
        **{f"ceiling_{name}": (rate, "FLOP/s") for name, rate in CEILINGS.items()},
    }  # fmt: skip
    fps = Measurement(name="fps", value=1 / taken, unit="image/s", higher_is_better=True, samples=rates)
    noticed = Measurement(name="disturbed", value=float(bool(disturbed)), note=disturbed)
    others = (Measurement(name=name, value=value, unit=unit) for name, (value, unit) in figures.items())
    return (fps, noticed, *others)


def record(
    cell: Cell, root: Path, *, noise: float = 1.0, fits: bool = True, disturbed: str = "", steady: bool = True,
    largest: Mapping[str, float] = {"patches": 3136},
) -> None:  # fmt: skip
    """Write a run's folder; ``parallel`` runs on another kernel than ``zigma``."""
    folder = RunFolder.of(cell.spec, root)
    folder.submit(cell.spec)
    kernel = {"zigma": {"kernel": "numba"}, "parallel": {"kernel": "reference"}, "dit": {}}[cell.labels["arm"]]
    known = tuple(Measurement(name=f"largest_{what}", value=most, unit="count") for what, most in largest.items())
    Record(
        id=cell.spec.id,
        status="ok" if fits else "oom",
        spec=cell.spec.resolved(),
        measurements=measurements(cell, noise, disturbed) if fits else known,
        environment=environment(device="cpu", timing={"steady": steady}, **kernel),
        error=None if fits else Failure(kind="DoesNotFitError", message="does not fit, > 8 GiB: no"),
    ).write(folder.record)


def populate(root: Path, of: Suite) -> list[Cell]:
    """Every cell; training the largest dit does not fit, and one round of one cell was disturbed."""
    planned = list(expand(of))
    rng = np.random.default_rng(0)
    for cell in planned:
        labels = (cell.labels["arm"], cell.labels["grid"], cell.labels["mode"])
        record(
            cell,
            root,
            noise=float(rng.uniform(0.99, 1.01)),
            fits=labels != ("dit", "64×64", "training"),
            disturbed="too hot" if labels == ("zigma", "16×16", "inference") and cell.spec.seed == 1 else "",
        )
    return planned
