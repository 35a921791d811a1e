"""The learning rates of the studies of orders are those that the recorded sweeps chose, by the sweeps' rule."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from suites._order import RATES, RATES_OF_LENGTH, STEPS, rate_class
from zigbench.records.sources import Sources
from zigbench.suite import expand, load

MEASURED = Path(__file__).parents[2] / "results/measured"
SWEEPS = {("digits", STEPS): None, ("photographs", STEPS): "photographs"}
SWEEPS |= {(data, steps): f"{data}-{steps}" for data, steps in RATES_OF_LENGTH}


@pytest.mark.parametrize(("data", "steps"), SWEEPS)
def test_each_class_has_the_rate_of_the_least_mean_loss(data: str, steps: int) -> None:
    cells = {cell.spec.id: cell.spec for cell in expand(load("order_rate").profile(SWEEPS[data, steps]))}
    losses: dict[str, dict[float, list[float]]] = {}
    for run, record in Sources.of(MEASURED).packed(cells).items():
        spec = cells[run]
        assert (spec.data.name, spec.training.steps) == (data, steps)
        loss = next((m.value for m in record.measurements if m.name == "held_out_loss"), float("inf"))
        kind = rate_class(spec.scan.curve, spec.scan.schemes)
        losses.setdefault(kind, {}).setdefault(spec.optimizer.lr, []).append(loss)
    chosen = {kind: min(rates, key=lambda rate: mean(rates[rate])) for kind, rates in losses.items()}
    assert chosen == (RATES[data] if steps == STEPS else RATES_OF_LENGTH[data, steps])
