"""Laws of the expected time of trainings."""

from __future__ import annotations

import pytest

from zigbench.launch.estimate import gpu_hours, relative_times
from zigbench.suite import expand, load


def test_the_estimate_grows_with_batch_steps_and_evaluations_and_needs_a_declared_cost():
    base = next(expand(load("celebahq"))).spec
    hours = gpu_hours([base])
    assert hours is not None
    assert gpu_hours([base, base]) == pytest.approx(2 * hours)
    without = base.override({"evaluation.at": [], "evaluation.samples": 1})
    assert gpu_hours([without.override({"training.batch": 160})]) == pytest.approx(2 * gpu_hours([without]), rel=1e-4)
    assert gpu_hours([without]) < hours


def test_longer_trainings_take_their_share_of_the_time_of_a_launch():
    base = next(expand(load("order_length"))).spec
    lengths = [480, 1_920, 7_680]
    # Without measurements, all of a run is training.
    runs = [
        base.override({"training.steps": steps, "evaluation.at": [], "evaluation.samples": 1, "evaluation.metrics": []})
        for steps in lengths
    ]
    times = relative_times(runs)
    assert sum(times) == pytest.approx(len(runs))
    assert [time / times[0] for time in times] == pytest.approx([1, 4, 16], rel=1e-2)


def test_runs_that_do_not_train_take_equal_times():
    timings = [cell.spec for cell in expand(load("throughput").profile("miniature"))]
    assert relative_times(timings) == [1.0] * len(timings)
