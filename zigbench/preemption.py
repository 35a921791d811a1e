"""Preemption: a scheduler wants the machine back, and the run resumes later from its checkpoint."""

from __future__ import annotations

import signal
from types import FrameType

GRACE = 20.0
"""Seconds from the signal until a run that does not read it is stopped."""

EXIT_REQUEUE = 75
"""Exit code of a process that was preempted and whose run resumes later (EX_TEMPFAIL)."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR2)


class Preempted(BaseException):
    """The end of a preempted run. It is no Exception, so that handlers of failures do not catch it."""


class PreemptionSignal:
    """A flag that is set when this process is sent a signal of preemption; a call reads it.

    A training reads it between steps, writes a checkpoint and raises :class:`Preempted`. Work that never reads it is
    stopped by an alarm ``grace`` seconds after the signal: its files stay, and the rest is repeated.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.grace = grace
        self.received = False

    def listen(self) -> None:
        """Handle the signals of preemption; only the main thread may call this."""
        for number in SIGNALS:
            signal.signal(number, self._receive)
        signal.signal(signal.SIGALRM, self._stop)

    def __call__(self) -> bool:
        if self.received:
            # The alarm is off: a checkpoint may take any time.
            signal.setitimer(signal.ITIMER_REAL, 0)
        return self.received

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = True
            signal.setitimer(signal.ITIMER_REAL, self.grace)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        raise Preempted


EXIT_MACHINE = 74
"""Exit code of a process that a fault of the disk or of the spec's file stopped: its run resumes later (EX_IOERR)."""


def allow() -> None:
    """Allow every write: the check of a process whose folder no other process can take over."""


def never() -> bool:
    """Return False: the flag of a process that is never preempted."""
    return False
