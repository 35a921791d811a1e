"""Samples follow the target: two-sample tests against the closed form, with fixed seeds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.sampling import DIFFUSIONS, LAST_STEPS, ODE_SOLVERS, sample

COUNT = 1000


def noise(seed: int) -> torch.Tensor:
    return torch.randn(COUNT, 1, 1, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_follows(x: torch.Tensor, mixture: GaussianMixture) -> None:
    """Kolmogorov–Smirnov against exact samples along three directions."""
    reference = mixture.sample(20_000, torch.Generator().manual_seed(99)).flatten(1).numpy()
    for direction in ((1.0, 0.0), (0.0, 1.0), (0.6, -0.8)):
        side = np.array(direction)
        assert stats.ks_2samp(x.flatten(1).numpy() @ side, reference @ side).pvalue > 1e-3, direction


@pytest.mark.parametrize(("path", "solver"), list(product(PATHS, ODE_SOLVERS)))
def test_ode(path: str, solver: str, mixture: GaussianMixture):
    interpolant = Interpolant(path, "velocity" if path == "linear" else "noise")
    first_order = solver in ("euler", "ddim", "dpm-solver-1", "dpm-solver++-1")
    # Noise falls 5,000-fold on VE, so explicit steps in t must be short.
    steps = 200 if first_order else 40
    x = sample(mixture.model(interpolant), interpolant, noise(0), solver=solver, steps=steps)
    assert_follows(x, mixture)


@pytest.mark.parametrize(("path", "solver"), list(product(PATHS, ("euler-maruyama", "stochastic-heun", "ddpm"))))
def test_sde(path: str, solver: str, mixture: GaussianMixture):
    interpolant = Interpolant(path, "score" if path in ("vp", "ve") else "velocity")
    generator = torch.Generator().manual_seed(1)
    x = sample(mixture.model(interpolant), interpolant, noise(2), solver=solver, steps=200, generator=generator)
    assert_follows(x, mixture)


@pytest.mark.parametrize(("solver", "diffusion"), list(product(("euler-maruyama", "stochastic-heun"), DIFFUSIONS)))
def test_every_diffusion_form(solver: str, diffusion: str, mixture: GaussianMixture):
    interpolant = Interpolant("linear", "velocity")
    generator = torch.Generator().manual_seed(3)
    x = sample(
        mixture.model(interpolant),
        interpolant,
        noise(4),
        solver=solver,
        steps=200,
        diffusion=diffusion,
        diffusion_scale=2.0,
        generator=generator,
    )
    assert_follows(x, mixture)


@pytest.mark.parametrize("last_step", LAST_STEPS)
def test_every_last_step(last_step: str, mixture: GaussianMixture):
    interpolant = Interpolant("gvp", "noise")
    generator = torch.Generator().manual_seed(5)
    x = sample(
        mixture.model(interpolant),
        interpolant,
        noise(6),
        solver="stochastic-heun",
        steps=150,
        diffusion="constant",
        last_step=last_step,
        generator=generator,
    )
    assert_follows(x, mixture)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_float32_and_every_prediction(prediction: str, mixture: GaussianMixture):
    interpolant = Interpolant("linear", prediction)
    x = sample(mixture.model(interpolant), interpolant, noise(7).float(), solver="heun", steps=60)
    assert x.dtype == torch.float32
    assert_follows(x.double(), mixture)


def test_ddpm_keeps_the_marginals_of_one_datum_exactly():
    """With the datum known, x_t is N(α x*, σ²) at every t, however few the steps."""
    datum = torch.tensor([[[[0.7]]]], dtype=torch.float64)
    interpolant = Interpolant("vp", "data")

    def network(x, t, *, label=None, context=None):
        return datum.expand_as(x)

    start = torch.randn(40_000, 1, 1, 1, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    x = sample(
        network,
        interpolant,
        start,
        solver="ddpm",
        times=[0.0, 0.3, 0.5, 0.8],
        generator=torch.Generator().manual_seed(9),
    )
    state = interpolant.state(0.8)
    standard = (x.flatten() - state.alpha * 0.7) / state.sigma
    assert stats.kstest(standard.numpy(), "norm").pvalue > 1e-3
