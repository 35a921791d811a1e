"""How far a training is, and the sums that its figures are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Progress:
    """Counters that a checkpoint keeps.

    Attributes:
        steps: of the whole training.
        step: steps done.
        rate_factor: share of the scheduled rate that is left after rewinding.
        rewinds: how often it was rewound.
        seconds: spent so far, those of earlier processes included.
        interval: (sum, number) of the losses since the last line of the log.
        tail: the same over the last tenth of the steps.
    """

    steps: int
    step: int = 0
    rate_factor: float = 1.0
    rewinds: int = 0
    seconds: float = 0.0
    interval: list[float] = field(default_factory=lambda: [0.0, 0])
    tail: list[float] = field(default_factory=lambda: [0.0, 0])

    def took(self, loss: float) -> None:
        """A step was done."""
        self.step += 1
        sums = [self.interval]
        if self.step > self.steps - max(1, self.steps // 10):
            sums.append(self.tail)
        for total in sums:
            total[0] += loss
            total[1] += 1

    def mean_loss(self) -> float:
        """Mean since the last call."""
        total, count = self.interval
        self.interval = [0.0, 0]
        return total / count

    @property
    def final_loss(self) -> float:
        """Mean over the last tenth of the steps."""
        return self.tail[0] / self.tail[1]

    def kept(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def restore(self, kept: dict[str, Any]) -> None:
        """Take back what :meth:`kept` gave."""
        for name, value in kept.items():
            setattr(self, name, value)
