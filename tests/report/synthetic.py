"""A suite and records made through the real classes, with figures whose truth is known: inputs for report tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.records.environment import environment
from zigbench.records.folder import RunFolder
from zigbench.records.record import Failure, Measurement, Record, Status
from zigbench.suite import Axis, Cell, Contrast, Suite, expand, grid

# Arm → true mean loss. sweep-1 and hilbert-released-8 lie far above; hilbert-8 is level with zigzag-8.
TRUTH = {
    "sweep-1": 0.665, "zigzag-1": 0.662, "zigzag-2": 0.639, "zigzag-8": 0.598,
    "hilbert-8": 0.600, "hilbert-released-8": 0.671, "dit": 0.682,
}  # fmt: skip


TELEMETRY = {
    "step": 120, "seconds": 4.0, "images_per_second": 480.0, "tokens_per_second": 30720.0, "data_wait_share": 0.0125,
    "peak_memory_bytes": 1_060_000_000, "matrix_peak_share": 0.0743,
}  # fmt: skip


def point(arm: str) -> Mapping[str, Any]:
    if arm == "dit":
        return {"backbone.name": "dit"}
    curve, _, schemes = arm.rpartition("-")
    return {"backbone.name": "zigma", "scan.curve": curve, "scan.schemes": int(schemes)}


def suite(**changes: Any) -> Suite:
    """Seven arms × three seeds, with the two contrasts of the quickstart."""
    known: dict[str, Any] = {
        "name": "squares",
        "question": "Does the order in which the patches are visited matter?",
        "base": {"data.name": "digits", "training.steps": 120, "training.batch": 32},
        "axes": (Axis("arm", {arm: point(arm) for arm in TRUTH}), grid("seed", [0, 1, 2])),
        "metrics": ("held_out_loss", "frechet_squares", "parameters"),
        "baseline": "zigzag-8",
        "equal": {"parameters": 0.05},
        "contrasts": (
            Contrast(
                "sweep-1",
                "zigzag-8",
                "one forward sweep instead of eight zigzag directions",
                worse="The order matters",
                neither="Whether the order matters is not settled here",
            ),
            Contrast(
                "hilbert-8",
                "zigzag-8",
                "the Hilbert curve instead of the zigzag",
                worse="Hilbert is worse",
                neither="Hilbert is level with zigzag",
            ),
        ),
        "published": ("scan_scheme",),
        "published_as": {"sweep-1": "sweep"},
        "notes": ("A miniature.",),
    }
    return Suite(**{**known, **changes})


def cells(of: Suite) -> list[Cell]:
    return list(expand(of))


def measurements(cell: Cell, loss: float, parameters: int = 110_000) -> tuple[Measurement, ...]:
    return (
        Measurement(name="held_out_loss", value=loss, higher_is_better=False),
        Measurement(name="frechet_squares", value=400 * loss, higher_is_better=False, protocol="p1", note="Squares."),
        Measurement(name="parameters", value=float(parameters)),
    )


def record(
    cell: Cell,
    root: Path,
    found: tuple[Measurement, ...] = (),
    status: Status = "ok",
    error: Failure | None = None,
    log: bool = True,
    kernel: str = "numba",
) -> Record:
    """Write a run's folder as a real run leaves it: spec, log, telemetry, samples, record last."""
    folder = RunFolder.of(cell.spec, root)
    folder.submit(cell.spec)
    rng = np.random.default_rng(cell.spec.seed)
    if log:
        steps = range(1, 121, 4)
        noise = rng.normal(0, 0.01, len(steps))
        end = found[0].value if found and found[0].value is not None else 0.7
        lines = [
            {"step": s, "loss": float(end + 0.9 * np.exp(-s / 25) + e), "lr": 5e-3, "grad_norm": 1.0}
            for s, e in zip(steps, noise, strict=True)
        ]
        folder.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder.path / "telemetry.jsonl").write_text(json.dumps(TELEMETRY) + "\n")
        np.save(folder.path / "samples.npy", rng.integers(0, 256, (10, 1, 8, 8), dtype=np.uint8))
    made = Record(
        id=cell.spec.id,
        status=status,
        spec=cell.spec.resolved(),
        measurements=found,
        environment=environment(device="cpu", kernel=kernel),
        error=error,
    )
    folder.record.unlink(missing_ok=True)  # A test may record a cell anew.
    made.write(folder.record)
    return made


def populate(root: Path, of: Suite, log: bool = True) -> list[Cell]:
    """Record every cell: the seed moves all arms together, so that paired differences are narrow."""
    planned = cells(of)
    noise = np.random.default_rng(0)
    for cell in planned:
        loss = TRUTH[cell.labels["arm"]] + 0.02 * cell.spec.seed + float(noise.normal(0, 0.0008))
        record(cell, root, measurements(cell, loss), log=log)
    return planned
