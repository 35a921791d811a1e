"""Runs that were measured along their training, made up with known answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import synthetic

from zigbench.records.record import Measurement
from zigbench.report.results import Results, join
from zigbench.suite import Axis, expand, grid

CURVES = {"zigzag-8": {30: 0.7, 60: 0.55, 120: 0.40}, "zigzag-1": {30: 0.9, 60: 0.8, 120: 0.65}}


def recorded(root: Path, curves: Mapping[str, Mapping[int, float]]) -> Results:
    suite = synthetic.suite(
        axes=(Axis("arm", {arm: synthetic.point(arm) for arm in curves}), grid("seed", [0, 1, 2])), contrasts=()
    )
    for cell in expand(suite):
        of = curves[cell.labels["arm"]]
        along = tuple(
            Measurement(
                name="held_out_loss", value=value, higher_is_better=False,
                step=None if step == cell.spec.training.steps else step,
            )
            for step, value in of.items()
        )  # fmt: skip
        linear = Measurement(name="held_out_loss_linear", value=0.6, higher_is_better=False)
        synthetic.record(cell, root, (*along, linear), log=False)
    return join(suite, list(expand(suite)), root)
