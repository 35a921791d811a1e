"""Laws of runs under faults on a cluster: the record is that of an undisturbed run."""

from __future__ import annotations

import pytest
from campaign import LIMITS, Outcome

FAULTS = (
    "preemption", "node failure", "scontrol requeue", "scancel, launched again", "SIGKILL of an array's last task",
    "SIGSTOP, taken over, SIGCONT", "passing error in the heartbeat", "a second user looks", "out of memory, once",
    "out of memory, always", "full disk, launched again", "time limit", "SIGKILL of the launch",
    "spec damaged before the start", "empty claim, stray files", "%j in the path, jobs held",
    "record of a later version", "edit of a plug-in after --snapshot",
)  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(injection) -> dict[str, Outcome]:
    """All faults, injected once."""
    return {outcome.fault: outcome for outcome in injection.outcomes()}


def test_every_fault_was_tried(outcomes):
    assert set(outcomes) == set(FAULTS)
    assert all(outcome.tried for outcome in outcomes.values())


@pytest.mark.parametrize("fault", FAULTS)
def test_no_record_is_lost_no_result_changed_and_no_job_duplicated(outcomes, fault):
    outcome = outcomes[fault]
    assert (outcome.lost, outcome.changed, outcome.duplicated) == (0, 0, 0), f"{outcome}\n{outcome.evidence}"


def test_a_run_longer_than_its_limit_goes_on_as_often_as_it_takes(outcomes):
    assert outcomes["time limit"].tried >= LIMITS


def test_a_run_whose_memory_never_suffices_is_recorded_as_that(outcomes):
    assert outcomes["out of memory, always"].note == "recorded as oom"
