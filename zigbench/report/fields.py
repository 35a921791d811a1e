"""Receptive fields and reach of a suite's arms: read from the runs' inspections, or told by the orders alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from zigbench import scan
from zigbench.report import figures
from zigbench.report.figures import Asked, NoFigureError, ask
from zigbench.report.figures.fields import Field
from zigbench.report.results import Results, Run

FILE = "receptive_field.npz"
"""What ``zigbench inspect`` leaves in a run's folder."""


def receptive_fields(found: Results) -> Asked:
    """The field of each arm's first inspected run; of clips, the middle frame."""
    fields = {arm: field for arm, runs in found.by_arm.items() if (field := _first_field(runs)) is not None}
    if not fields:
        raise NoFigureError("no run has been inspected; `zigbench inspect` does that with recorded runs")
    if len({field.strength.shape for field in fields.values()}) > 1:
        raise NoFigureError("the arms have grids of unlike shapes")
    return ask(figures.receptive_fields, fields)


def reach(found: Results) -> Asked:
    """Reach by layer of every arm that was inspected or whose blocks make a single scan or attend to all."""
    shares = {arm: share for arm, runs in found.by_arm.items() if (share := _reached(runs)) is not None}
    if not shares:
        raise NoFigureError("no arm's reach is told by its orders; `zigbench inspect` finds it from the networks")
    return ask(figures.reach, shares)


def _first_field(runs: Sequence[Run]) -> Field | None:
    for run in runs:
        arrays = _arrays(run)
        if arrays is None:
            continue
        strength, seen = arrays["field"], arrays["seen"][-1]
        if strength.ndim == 3:
            strength, seen = strength[len(strength) // 2], seen[len(seen) // 2]
        about = json.loads(str(arrays["about"]))
        words = "of the network as initialised, its gates open" if about["weights"] == "fresh" else about["weights"]
        return Field(strength, seen, str(words))
    return None


def _reached(runs: Sequence[Run]) -> tuple[float, ...] | None:
    """From an inspection, else from the orders where one scan a block is all that mixes; None where neither tells."""
    for run in runs:
        arrays = _arrays(run)
        if arrays is not None:
            return tuple(float(share) for share in arrays["reached"])
    spec = runs[0].cell.spec
    config, tokens = spec.config, spec.geometry.tokens
    depth = getattr(config, "depth", None)
    if depth is None or spec.geometry.frames is not None:
        return None
    if spec.scan is None:
        return (1 / tokens, *[1.0] * depth)
    if not hasattr(config, "directions") or config.directions(spec.scan) != 1:
        return None
    seed = getattr(config, "order_seed", 0)
    cycle = scan.layer_orders(spec.scan.curve, spec.scan.schemes, spec.scan.schemes, spec.geometry.grid, seed=seed)
    share = scan.reach(cycle).share[:depth]
    return (1 / tokens, *share, *[share[-1]] * (depth - len(share)))


def _arrays(run: Run) -> Mapping[str, np.ndarray] | None:
    """What an inspection left; None where it left nothing that can be read."""
    try:
        with np.load(io.BytesIO(run.files.read(FILE) or b""), allow_pickle=False) as stored:
            arrays = dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return arrays if arrays.keys() >= {"field", "seen", "reached", "about"} else None
