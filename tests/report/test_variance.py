"""Variance components: closed forms, simulated truth, and the table of a suite with two kinds of seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zigbench.records.folder import RunFolder
from zigbench.records.record import Measurement, Record
from zigbench.report.results import join
from zigbench.report.variance import components, figures_of_sets, variance_table
from zigbench.suite import Axis, Suite, expand, grid


def test_without_noise_of_sampling_all_variance_is_the_trainings() -> None:
    found = components([[1, 1, 1], [2, 2, 2], [4, 4, 4]])
    assert found.training == pytest.approx(np.var([1, 2, 4], ddof=1))
    assert found.generation == 0
    assert (found.training_share, found.share) == (1, (1, 1))


def test_equal_networks_have_no_variance_of_training() -> None:
    found = components([[1, 2, 3], [3, 1, 2], [2, 3, 1]])
    assert (found.training, found.generation) == (0, 1)
    assert found.training_share == found.share[0] == 0


def test_the_mean_squares_are_those_of_the_analysis_of_variance() -> None:
    """Two networks of two sets, by hand: means 2 and 6, so 16 between; 2 within each."""
    found = components([[1, 3], [5, 7]])
    assert found.generation == pytest.approx(2)
    assert found.training == pytest.approx((16 - 2) / 2)
    assert found.floor == pytest.approx(4.302653 * math.sqrt(2 * (7 + 2 / 2) / 2))


def test_over_many_draws_they_are_unbiased_and_the_interval_covers_the_truth() -> None:
    generator, training, generation, covered = np.random.default_rng(0), [], [], 0
    for _ in range(600):
        networks = 3 * generator.standard_normal((5, 1))
        found = components(networks + generator.standard_normal((5, 5)))
        training.append(found.training)
        generation.append(found.generation)
        covered += found.share[0] <= 0.9 <= found.share[1]
    assert np.mean(training) == pytest.approx(9, rel=0.1)
    assert np.mean(generation) == pytest.approx(1, rel=0.05)
    assert covered / 600 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("figures", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, math.nan], [2.0, 3.0]]])
def test_too_few_figures_have_none(figures) -> None:
    assert components(figures) is None


@pytest.fixture
def suite(tiny) -> Suite:
    arms = Axis("arm", {"one": {"scan.schemes": 1}, "two": {"scan.schemes": 2}})
    base = {**tiny, "evaluation.metrics": ["held_out_loss", "frechet_random"], "evaluation.sample_sets": 2}
    metrics = ("held_out_loss", "frechet_random")
    return Suite(name="kinds", question="Which?", base=base, axes=(arms, grid("seed", (0, 1))), metrics=metrics)


def test_the_table_has_a_row_for_each_arm_and_metric_of_samples(suite, tmp_path) -> None:
    for index, cell in enumerate(cells := list(expand(suite))):
        run = RunFolder.of(cell.spec, tmp_path)
        run.submit(cell.spec)
        figures = (
            Measurement(name="held_out_loss", value=0.5, samples=(0.4, 0.6), higher_is_better=False),
            Measurement(name="frechet_random", value=index + 0.5, samples=(index, index + 1), higher_is_better=False),
        )
        Record(id=run.id, status="ok", spec=cell.spec.resolved(), measurements=figures).write(run.record)
    results = join(suite, cells, tmp_path)
    assert figures_of_sets(results, "held_out_loss") == {}  # Its samples are the means of bins of t.
    assert {arm: len(rows) for arm, rows in figures_of_sets(results, "frechet_random").items()} == {"one": 2, "two": 2}
    table = variance_table(results)
    assert [row[1].text for row in table.rows] == ["one", "two"]
    assert table.rows[0][2].text == "2 × 2"
    assert "Below the noise floor nothing can be claimed" in table.notes[1]
