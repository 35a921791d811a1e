"""Exponential integrators: their identities, and that they are exact where the theory says so."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.sampling import Sampler, sample

NOISE = torch.randn(8, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("path", "prediction"), list(product(PATHS, PREDICTIONS)))
def test_ddim_is_the_first_order_solver_in_log_snr(path: str, prediction: str, mixture: GaussianMixture):
    interpolant = Interpolant(path, prediction)
    network = mixture.model(interpolant)
    times = [0.2 + 0.05 * k for k in range(16)]
    results = [
        sample(network, interpolant, NOISE, solver=solver, times=times)
        for solver in ("ddim", "dpm-solver-1", "dpm-solver++-1")
    ]
    torch.testing.assert_close(results[1], results[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(results[2], results[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("solver", ["ddim", "dpm-solver-1", "dpm-solver-2", "dpm-solver++-1", "dpm-solver++-2"])
def test_one_datum_is_reached_in_any_number_of_steps(path: str, solver: str):
    """The data prediction is constant: exact for the data form, and for DDIM; the noise form then is too."""
    datum = torch.tensor([[[[0.3, -0.8]]]], dtype=torch.float64)

    def network(x, t, *, label=None, context=None):
        return datum.expand_as(x)

    interpolant = Interpolant(path, "data")
    for steps in (1, 2, 5):
        x = sample(network, interpolant, NOISE, solver=solver, steps=steps)
        left = float(interpolant.state(1.0).sigma)  # VE keeps σ_min of noise.
        beginning = float(interpolant.state(Sampler(solver=solver, steps=steps).grid(interpolant)[0]).alpha)
        if left == 0:
            torch.testing.assert_close(x, datum.expand_as(x), rtol=0, atol=2e-2 * (solver == "dpm-solver-2") + 1e-9)
        else:
            assert beginning == 1.0
            assert float((x - datum).abs().max()) < left * 6


@pytest.mark.parametrize("path", PATHS)
def test_the_grid_has_equal_steps_in_log_snr(path: str):
    interpolant = Interpolant(path)
    times = torch.tensor(Sampler(solver="dpm-solver-1", steps=12).grid(interpolant), dtype=torch.float64)
    assert len(times) == 13
    assert float(times[-1]) == 1.0
    steps = interpolant.path.log_snr(times[:-1]).diff()
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=1e-6, atol=1e-9)
    if path == "ve":
        assert float(times[0]) == 0.0
        assert float(interpolant.path.log_snr(times)[-1]) == pytest.approx(math.log(100))


@pytest.mark.parametrize("solver", ["dpm-solver-1", "dpm-solver-2"])
def test_the_noise_form_starts_where_there_is_signal(solver: str, mixture: GaussianMixture):
    """α = 0 at t = 0 on the linear path, and the noise form divides by it."""
    interpolant = Interpolant("linear", "noise")
    x = sample(mixture.model(interpolant), interpolant, NOISE, solver=solver, steps=64, times="uniform")
    assert bool(x.isfinite().all())
    assert float(x.abs().max()) < 4


@pytest.mark.parametrize("path", PATHS)
def test_second_order_beats_first_order_from_end_to_end(path: str, mixture: GaussianMixture):
    interpolant = Interpolant(path, "noise")
    network = mixture.model(interpolant)
    exact = sample(network, interpolant, NOISE, solver="dpm-solver-2", steps=800)

    def error(solver: str, steps: int) -> float:
        return float((sample(network, interpolant, NOISE, solver=solver, steps=steps) - exact).abs().mean())

    first = error("dpm-solver-1", 40)
    assert error("dpm-solver-2", 20) < 0.6 * first
    assert error("dpm-solver++-2", 40) < 0.6 * first
