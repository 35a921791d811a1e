"""Leaving a run on request: the scheduler wants the machine back, and the run goes on later from its checkpoint."""

from __future__ import annotations

import signal
from types import FrameType

GRACE = 20.0
"""Seconds from the request until a run that has not heard it is made to leave where it stands."""

EXIT_REQUEUE = 75
"""Exit code of a process that left on request and goes on later (EX_TEMPFAIL)."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR2)


class Preempted(BaseException):
    """The run left on request. Not an Exception: it is no failure, and no handler of failures may take it."""


class PreemptionSignal:
    """Whether this process was asked to leave; called, it says so.

    A training asks between steps, writes a checkpoint and raises :class:`Preempted`. Work that never asks is left by an
    alarm, ``grace`` seconds after the request, wherever it stands: what it had written is there, the rest is redone.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.grace = grace
        self.asked = False

    def listen(self) -> None:
        """Take the signals that ask for leaving; only the main thread can."""
        for number in SIGNALS:
            signal.signal(number, self._ask)
        signal.signal(signal.SIGALRM, self._leave)

    def __call__(self) -> bool:
        if self.asked:
            # Heard: a checkpoint may take as long as it needs.
            signal.setitimer(signal.ITIMER_REAL, 0)
        return self.asked

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked = True
            signal.setitimer(signal.ITIMER_REAL, self.grace)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        raise Preempted


def never() -> bool:
    """The request of a process that nobody asks to leave."""
    return False
