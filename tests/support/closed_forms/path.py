"""Paths, predictions, weightings, times and couplings against closed forms: a row for each registered name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import sqrt

import torch
from scipy import stats
from torch import Generator, Tensor

from zigbench.interpolant import COUPLINGS, PATHS, PREDICTIONS, TIMES, WEIGHTINGS, Interpolant
from zigbench.sampling import sample

from ..gaussian_mixture import meanings
from ..one_gaussian import drawn, flow
from .row import GAUSSIAN, MIXTURE, ROWS, ClosedForm, largest, normal

DRAWS = 20_000
"""Draws behind a distance of distributions: a true one is beyond 1.95/√DRAWS once in a thousand times."""


def _path(name: str) -> float:
    interpolant = Interpolant(name)
    start, first, last = normal(50, 0, 1, 1, 1), torch.full((50,), 0.1).double(), torch.full((50,), 0.9).double()
    x = start * interpolant.state(0.1).sigma
    times = [0.1 + 0.8 * k / 200 for k in range(201)]
    end = sample(GAUSSIAN.model(interpolant), interpolant, start, solver="rk4", times=times)
    return largest(end, flow(interpolant, x, first, last))


def _prediction(name: str) -> float:
    interpolant, error = Interpolant("gvp", name), 0.0
    for t in (0.2, 0.5, 0.8):
        x, state = normal(20, 1, 1, 1, 2), interpolant.state(t)
        values = meanings(state, *MIXTURE.posterior(x, state.alpha, state.sigma))
        for target, value in values.items():
            error = max(error, largest(interpolant.convert(target, values[name], x, t), value))
    return error


def _weighting(name: str) -> float:
    part = drawn(200)
    part.t = 0.1 + 0.8 * part.t

    def loss(prediction: str) -> Tensor:
        interpolant, stated = Interpolant("gvp", prediction, name), Interpolant("gvp", "data")

        def wrong(x: Tensor, t: Tensor, **conditions: Tensor | None) -> Tensor:
            return stated.convert(prediction, torch.tanh(x) / 2, x, t)

        return interpolant.loss(wrong, part.x, noise=part.noise, t=part.t)

    if name == "none":
        expected = (torch.tanh(Interpolant("gvp").interpolate(part.x, part.noise, part.t)) / 2 - part.x).square()
        return largest(loss("data"), expected.flatten())
    losses = torch.stack([loss(prediction) for prediction in PREDICTIONS])
    return float(((losses.amax(0) - losses.amin(0)) / losses[0]).max())


def _mode(t: Tensor) -> Tensor:
    u = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    times = u + 1.29 * (torch.cos(torch.pi / 2 * u) ** 2 - 1 + u)
    return u[torch.searchsorted(times, t).clamp(max=len(u) - 1)]


DISTRIBUTIONS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "uniform": ("P(t ≤ s) = s", lambda t: t),
    "logit-normal": ("log(t/(1 − t)) is normal", lambda t: torch.special.ndtr(t.logit())),
    "mode": ("the map of a uniform number of SD3, inverted", _mode),
    "edm": ("on the line, log(t/(1 − t)) is N(1.2, 1.2²)", lambda t: torch.special.ndtr((t.logit() - 1.2) / 1.2)),
    "grid": ("uniform over 0, 1/n, …", lambda t: t),
    "cosmap": ("P(t ≤ s) = (2/π) arctan(s/(1 − s))", lambda t: 2 / torch.pi * torch.arctan(t / (1 - t))),
}
"""What is known of each distribution of times, and its distribution function."""


def _times(name: str) -> float:
    interpolant = Interpolant(time=name)
    t = interpolant.time.draw(DRAWS, interpolant.path, Generator().manual_seed(0))
    return float(stats.kstest(DISTRIBUTIONS[name][1](t).numpy(), "uniform").statistic)


COUPLED = {
    "independent": ("noise and data do not correlate, in 512 pairs", 0.15),
    "optimal-transport": ("in one dimension the noise is sorted as the data are", 1e-12),
}
"""What is known of each coupling, and the bound of its error."""


def _coupling(name: str) -> float:
    data = normal(512, 0, 1)
    noise, _ = Interpolant(coupling=name).draw(data, Generator().manual_seed(1))
    if name == "independent":
        return abs(float(torch.corrcoef(torch.stack([data[:, 0], noise[:, 0]]))[0, 1]))
    return largest(noise.flatten()[data.flatten().argsort()], noise.flatten().sort().values)


def _rows() -> Iterator[ClosedForm]:
    for name in PATHS:
        yield ClosedForm("path", name, "rk4 along it carries N(m, s²) as the flow does", 1e-5, partial(_path, name))
    for name in PREDICTIONS:
        yield ClosedForm("prediction", name, "converted, it is each of the others", 1e-9, partial(_prediction, name))
    for name in WEIGHTINGS:
        claim = "the loss is that of what is predicted" if name == "none" else "the same loss whatever is predicted"
        yield ClosedForm("weighting", name, claim, 1e-9, partial(_weighting, name))
    for name in TIMES:
        yield ClosedForm("times", name, DISTRIBUTIONS[name][0], 1.95 / sqrt(DRAWS), partial(_times, name))
    for name in COUPLINGS:
        claim, bound = COUPLED[name]
        yield ClosedForm("coupling", name, claim, bound, partial(_coupling, name))


ROWS.extend(_rows())
