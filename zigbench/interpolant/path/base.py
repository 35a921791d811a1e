"""What every path offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from zigbench.interpolant.state import PathState


@dataclass(frozen=True)
class Path(ABC):
    """A way from noise (t = 0) to data (t = 1): x_t = α_t x* + σ_t ε, with α/σ strictly increasing in t.

    Times are float64 tensors in [0, 1] of any shape: near the ends the ratio of α to σ is lost in less.
    End points are exact: where α or σ vanishes it is 0, not a rounding error.
    """

    @abstractmethod
    def state(self, t: Tensor) -> PathState:
        """Coefficients at ``t``, each shaped like it."""

    @abstractmethod
    def time(self, log_snr: Tensor) -> Tensor:
        """Time at which log(α/σ) is ``log_snr``: the inverse of :meth:`log_snr`.

        Beyond the path's own range the nearest end, 0 or 1, is returned.
        """

    def log_snr(self, t: Tensor) -> Tensor:
        """λ = log(α/σ), half the logarithm of the signal-to-noise ratio; ±inf where α or σ is 0."""
        state = self.state(t)
        return state.alpha.log() - state.sigma.log()
