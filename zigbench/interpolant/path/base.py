"""The interface of a path, and the table that the modules of this package register theirs in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from zigbench.interpolant.state import PathState
from zigbench.spec.registry import add_member


@dataclass(frozen=True)
class Path(ABC):
    """A path from noise (t = 0) to data (t = 1): x_t = α_t x* + σ_t ε, with α/σ strictly increasing in t.

    For example, the coefficients at three times, and the time of equal shares::

        path = Linear()
        state = path.state(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
        path.time(torch.tensor(0.0, dtype=torch.float64))  # 0.5

    A subclass is a frozen dataclass whose fields are the path's options.

    Times are float64 tensors in [0, 1] of any shape: near the ends a lower precision loses the ratio of α to σ.
    End points are exact: where α or σ vanishes it is 0, not a rounding error.
    """

    @abstractmethod
    def state(self, t: Tensor) -> PathState:
        """Return the coefficients at ``t``, each shaped like it."""

    @abstractmethod
    def time(self, log_snr: Tensor) -> Tensor:
        """Return the time at which log(α/σ) is ``log_snr``: the inverse of :meth:`log_snr`.

        Beyond the path's own range it is the nearest end, 0 or 1.
        """

    def log_snr(self, t: Tensor) -> Tensor:
        """Return λ = log(α/σ), half the logarithm of the signal-to-noise ratio; ±inf where α or σ is 0."""
        state = self.state(t)
        return state.alpha.log() - state.sigma.log()


P = TypeVar("P", bound=type[Path])

MEMBERS: dict[str, type[Path]] = {}
"""Every registered path by its name."""


def path(name: str) -> Callable[[P], P]:
    """Return a decorator that registers a class of paths; a spec can name it if its table of paths has the name.

    Raises:
        CollisionError: another path has the name.
    """

    def add(cls: P) -> P:
        add_member(MEMBERS, name, cls, "paths")
        return cls

    return add
