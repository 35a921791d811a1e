"""Solvers, their options, guidance and likelihood against closed forms: a row for each registered solver."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Generator, Tensor

from zigbench.interpolant import Interpolant
from zigbench.sampling import Sampler, likelihood, sample
from zigbench.spec.solvers import SOLVERS as TABLE

from ..convergence import convergence
from ..one_gaussian import Exact, Map, Velocity, drawn, flow
from .row import MIXTURE, ROWS, ClosedForm, closed_form, largest, normal

STEPS = 64
"""Steps of the solvers between t = 0.1 and t = 0.9."""


def _ends(interpolant: Interpolant, x: Tensor) -> Tensor:
    """Return the ends of the flow of one Gaussian from noise x."""
    return flow(interpolant, x, torch.zeros(len(x)).double(), torch.ones(len(x)).double())


def _solver(name: str) -> float:
    interpolant, noise = Interpolant(), drawn(50).noise
    row, generator = TABLE[name], Generator().manual_seed(1)
    if name in ("mean-flow", "consistency"):
        network = Exact(interpolant) if name == "mean-flow" else Map(interpolant)
        return largest(
            sample(network, interpolant, noise, solver=name, steps=1, generator=generator), _ends(interpolant, noise)
        )
    if row.corrections:
        options = {"sigma_min": 0.02, "sigma_max": 10.0} if row.paths else {}
        interpolant = Interpolant(*row.paths[:1], **options) if row.paths else Interpolant(prediction="noise")
        own = {"steps": 16, "corrections": 40} if row.paths else {"steps": 150, "langevin_rate": 0.02}
        x = sample(
            MIXTURE.model(interpolant), interpolant, normal(6_000, 0, 1, 1, 2), solver=name, generator=generator, **own
        )
        near = (x.flatten(1)[:, None] - MIXTURE.means.flatten(1)).norm(dim=2).argmin(1)
        return abs(float((near == 0).double().mean()) - float(MIXTURE.weights[0]))
    if row.evaluations is None:
        x = sample(Velocity(interpolant), interpolant, noise, solver=name, rtol=1e-8, atol=1e-8)
        return largest(x, _ends(interpolant, noise))
    options = {"last_step": "none"} if "last_step" in row.options else {}
    return convergence(Sampler(solver=name, **options), interpolant, [STEPS])[0].error


CLAIMS = {
    "mean-flow": "one step of the mean velocity crosses the flow",
    "consistency": "one step of the exact map ends where the flow does",
    "predictor-corrector": "share of the samples in the first of two modes, 0.4",
    "annealed-langevin": "share of the samples in the first of two modes, 0.4",
    "dopri5": "every sample ends where its flow does, at tolerances of 1e-8",
}
"""What is known of the samples of the solvers that are not measured by :mod:`tests.support.convergence`."""


def _solvers() -> Iterator[ClosedForm]:
    for name, row in TABLE.items():
        what = "mean and deviation of N(m, s²)" if row.kind == "sde" else "the flow of N(m, s²)"
        claim = CLAIMS.get(name, f"{what} from 0.1 to 0.9 in {STEPS} steps")
        exact, tight = name in ("mean-flow", "consistency"), row.evaluations is None
        bound = 1e-12 if exact else 1e-6 if tight else 0.03
        yield ClosedForm("solver", name, claim, bound, partial(_solver, name))


ROWS.extend(_solvers())


@closed_form("solver option", "eta", "ddim with η = 1 is ddpm, from the same draws", 1e-12)
def _eta() -> float:
    draw = partial(sample, MIXTURE.model(Interpolant()), Interpolant(), normal(100, 0, 1, 1, 2), steps=20)
    one, other = (Generator().manual_seed(2) for _ in range(2))
    return largest(draw(solver="ddim", eta=1.0, generator=one), draw(solver="ddpm", generator=other))


@closed_form("solver option", "shift", "each inner time has 3 times the noise over the data", 1e-12)
def _shift() -> float:
    grids = (Sampler(steps=8, shift=factor).grid(Interpolant()) for factor in (None, 3.0))
    plain, shifted = (torch.tensor(grid, dtype=torch.float64)[1:-1] for grid in grids)
    return largest((1 - shifted) / shifted / 3, (1 - plain) / plain)


@closed_form("guidance", "classifier-free", "u + g (c − u) of velocities u = 0 and c = 1, 2", 1e-12)
def _classifier_free() -> float:
    def network(x: Tensor, t: Tensor, *, label: Tensor | None = None, context=None) -> Tensor:
        return (label + 1).double().reshape(-1, 1, 1, 1).expand_as(x)

    noise, label = normal(2, 0, 1, 1, 1), torch.tensor([0, 1])
    moved = sample(network, Interpolant(), noise, label=label, guidance=2.5, steps=10) - noise
    return largest(moved.flatten(), 2.5 * torch.tensor([1.0, 2.0]).double())


@closed_form("guidance", "classifier", "with the exact classifier a sample ends where the flow of its class does", 3e-3)
def _classifier() -> float:
    interpolant, noise, label = Interpolant(), normal(200, 0, 1, 1, 2), torch.arange(200) % 2
    x = sample(
        MIXTURE.model(interpolant), interpolant, noise, solver="dopri5", rtol=1e-5, atol=1e-6,
        label=label, classifier=MIXTURE.classifier(interpolant), classifier_scale=1.0,
    )  # fmt: skip
    return largest(x, MIXTURE.means[label] + MIXTURE.scales[label].reshape(-1, 1, 1, 1) * noise)


@closed_form("likelihood", "bits per dimension", "the density of a mixture, in bits a number", 1e-5)
def _bits() -> float:
    data, interpolant = MIXTURE.sample(12, Generator().manual_seed(0)), Interpolant()
    result = likelihood(MIXTURE.model(interpolant), interpolant, data, trace="exact", rtol=1e-8, atol=1e-8)
    return largest(result.bits_per_dimension(), 7 - MIXTURE.log_prob(data) / (2 * math.log(2)))
