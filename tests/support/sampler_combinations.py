"""Every path with every prediction, solver, diffusion form, last step and precision: is all of it finite?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product as combinations

import torch
from torch import Tensor

from zigbench.interpolant.interpolant import Interpolant, Model
from zigbench.interpolant.path import PATHS
from zigbench.interpolant.prediction import PREDICTIONS
from zigbench.sampling.diffusion import DIFFUSIONS
from zigbench.sampling.sampler import ODE_SOLVERS, Sampler
from zigbench.sampling.solvers.stochastic import LAST_STEPS
from zigbench.spec.solvers import OWNERS


@dataclass
class _Watched:
    """A network that notes the largest magnitude that went in or came out."""

    model: Model
    largest: list[float] = field(default_factory=list)

    def __call__(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        output = self.model(x, t, label=label, context=context)
        self.largest += [_largest(x), _largest(output)]
        return output


@dataclass(frozen=True)
class Cell:
    """One combination, and the largest magnitude among its samples and all that its network saw and said.

    Attributes:
        interpolant: path and prediction.
        sampler: solver and options.
        dtype: of the samples and of what the network is given.
        samples: the result.
        largest: inf if anything was not finite.
    """

    interpolant: Interpolant
    sampler: Sampler
    dtype: torch.dtype
    samples: Tensor
    largest: float

    @property
    def finite(self) -> bool:
        """True if every sample was finite."""
        return self.largest < float("inf")


def samplers(steps: int) -> Iterator[Sampler]:
    """Every solver, the stochastic ones with every diffusion form and last step."""
    for solver in (*ODE_SOLVERS, "ddpm"):
        yield Sampler(solver=solver, steps=steps)
    for solver, diffusion, last in combinations(OWNERS["diffusion"], DIFFUSIONS, LAST_STEPS):
        yield Sampler(solver=solver, steps=steps, diffusion=diffusion, last_step=last)


def product(
    network: Callable[[Interpolant], Model],
    noise: Tensor,
    *,
    steps: int = 3,
    paths: Sequence[str] = PATHS,
    predictions: Sequence[str] = PREDICTIONS,
    dtypes: Sequence[torch.dtype] = (torch.float32, torch.bfloat16),
) -> Iterator[Cell]:
    """Sample every combination from end to end.

    Args:
        network: the network to use with an interpolant; called once for each path and prediction.
        noise: (B, …), standard normal.
        steps: of the fixed-step solvers.
        paths, predictions, dtypes: all unless told.
    """
    for path, prediction in combinations(paths, predictions):
        interpolant = Interpolant(path, prediction)
        model = network(interpolant)
        for sampler, dtype in combinations(samplers(steps), dtypes):
            watched = _Watched(model)
            try:
                samples = sampler(watched, interpolant, noise.to(dtype), generator=range(len(noise)))
            except FloatingPointError:  # dopri5 stops there by itself.
                samples = torch.full_like(noise, torch.nan, dtype=dtype)
            yield Cell(interpolant, sampler, dtype, samples, max(*watched.largest, _largest(samples)))


def table(cells: Iterable[Cell]) -> dict[tuple[str, str], dict[str, str]]:
    """Finite combinations out of all, as "24/24": rows (path, prediction), columns solvers."""
    total: Counter[tuple[tuple[str, str], str]] = Counter()
    finite: Counter[tuple[tuple[str, str], str]] = Counter()
    names: dict[type, str] = {type(Interpolant(path).path): path for path in PATHS}
    for cell in cells:
        row = names[type(cell.interpolant.path)], cell.interpolant.prediction
        total[row, cell.sampler.solver] += 1
        finite[row, cell.sampler.solver] += cell.finite
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for (row, solver), count in total.items():
        rows.setdefault(row, {})[solver] = f"{finite[row, solver]}/{count}"
    return rows


def _largest(x: Tensor) -> float:
    return float(x.abs().max()) if bool(x.isfinite().all()) else float("inf")
