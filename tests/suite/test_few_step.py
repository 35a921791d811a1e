"""The arms of `few_step_training` have equal costs, by the costs that the objectives themselves declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from suites._few_step import OBJECTIVES, RATES, STEPS
from zigbench.records.sources import Sources
from zigbench.suite import expand, load

MEASURED = Path(__file__).parents[2] / "results/measured"


def cost(spec) -> float:
    """Forward passes of a training."""
    further = spec.objective.config.further_evaluations if spec.objective is not None else 0.0
    return spec.training.steps * (3 + further)


def test_every_arm_costs_what_the_flow_costs_its_teacher_counted():
    by_arm = {cell.labels["arm"]: cell.spec for cell in expand(load("few_step_training"), only=["seed=5"])}
    by_run = {spec.id: spec for spec in by_arm.values()}
    for arm, spec in by_arm.items():
        whole = cost(spec) + sum(cost(by_run[need]) for need in spec.needs)
        share = 0.5 if arm == "teacher" else 1.0
        step = cost(spec) / spec.training.steps
        assert share * 3 * STEPS - step < whole <= share * 3 * STEPS, arm


def test_each_network_is_sampled_by_the_solver_of_its_objective():
    for cell in expand(load("few_step"), only=["seed=5"]):
        solver = cell.spec.objective.config.solver if cell.spec.objective is not None else None
        assert cell.spec.sampler.solver == (solver or {"mean-flow": "mean-flow"}.get(cell.labels["arm"], "euler"))
        assert cell.spec.sampler.network_evaluations == int(cell.labels["evaluations"])


def test_each_objective_has_the_lowest_rate_within_five_per_cent_of_the_best_in_its_sweep():
    cells = {cell.spec.id: cell for cell in expand(load("few_step_rate"))}
    distances: dict[str, dict[float, float]] = {}
    for run, record in Sources.of(MEASURED).packed(cells).items():
        cell = cells[run]
        distance = next((m.value for m in record.measurements if m.name == "frechet_digits"), float("inf"))
        distances.setdefault(cell.labels["arm"].partition(",")[0], {})[cell.spec.optimizer.lr] = distance
    assert list(distances.pop("teacher")) == [RATES["teacher"]]
    chosen = {
        name: min(rate for rate, distance in rates.items() if distance <= 1.05 * min(rates.values()))
        for name, rates in distances.items()
    }
    assert chosen == {name: RATES[name] for name in OBJECTIVES}


def test_a_profile_samples_the_networks_of_the_profile_of_its_name():
    suite = load("few_step").profile("celebahq")
    trained = {cell.spec.id: cell for cell in expand(load("few_step_training").profile("celebahq"))}
    cells = list(expand(suite, only=["seed=5"]))
    assert {need for cell in cells for need in cell.spec.needs} <= set(trained)
    assert {cell.spec.data.name for cell in cells} == {"celebahq"}


def test_every_arm_of_the_full_profile_costs_what_the_flow_costs():
    suite = load("few_step_training").profile("celebahq")
    by_arm = {cell.labels["arm"]: cell.spec for cell in expand(suite, only=["seed=5"])}
    by_run = {spec.id: spec for spec in by_arm.values()}
    whole = {arm: cost(spec) + sum(cost(by_run[need]) for need in spec.needs) for arm, spec in by_arm.items()}
    assert whole.pop("teacher") == pytest.approx(whole["flow"] / 2)
    assert list(whole.values()) == pytest.approx([whole["flow"]] * len(whole), rel=1e-4)
