"""Laws of asking SLURM: a controller that is busy is asked again, and not for ever."""

from __future__ import annotations

import pytest

from zigbench.launch.slurm_status import UnreachableError, persistently


def busy(refusals: int):
    """A controller that drops so many questions before it answers with how often it was asked."""
    asked = 0

    def ask() -> int:
        nonlocal asked
        asked += 1
        if asked <= refusals:
            raise UnreachableError(f"refusal {asked}")
        return asked

    return ask


@pytest.mark.parametrize("refusals", [0, 1, 3])
def test_a_busy_controller_is_asked_until_it_answers(refusals):
    assert persistently(busy(refusals), pause=0.001) == refusals + 1


def test_one_that_never_answers_is_given_up_with_its_last_words():
    with pytest.raises(UnreachableError, match=r"refusal 1$"):
        persistently(busy(10**9), seconds=0.01, pause=0.02)
