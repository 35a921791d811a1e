"""Laws of runs under faults on a cluster: the record is that of an undisturbed run."""

from __future__ import annotations

import faults
import pytest

FAULTS = (
    "preemption", "node failure", "scontrol requeue", "scancel, launched again", "SIGKILL of the task",
    "out of memory, once", "out of memory, always", "full disk, launched again", "time limit",
)  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(slurm, tmp_path_factory) -> dict[str, faults.Outcome]:
    """All faults, injected once."""
    found = faults.run(slurm, tmp_path_factory.mktemp("faults"))
    return {outcome.fault: outcome for outcome in found}


def test_every_fault_was_tried(outcomes):
    assert set(outcomes) == set(FAULTS)
    assert all(outcome.tried for outcome in outcomes.values())


@pytest.mark.parametrize("fault", FAULTS)
def test_no_record_is_lost_and_no_result_changed(outcomes, fault):
    outcome = outcomes[fault]
    assert (outcome.lost, outcome.changed) == (0, 0), f"{outcome}\n{outcome.evidence}"


def test_a_run_longer_than_its_limit_goes_on_as_often_as_it_takes(outcomes):
    assert outcomes["time limit"].tried >= faults.LIMITS


def test_a_run_whose_memory_never_suffices_is_recorded_as_that(outcomes):
    assert outcomes["out of memory, always"].note == "recorded as oom"
