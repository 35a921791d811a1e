"""Conversions between the predictions, against pairs whose data and noise are known and against mixtures."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.gaussian_mixture import GaussianMixture, meanings
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.interpolant.prediction import MEMBERS, Shares, prediction

MIXTURE = GaussianMixture(
    means=torch.tensor([[[[-1.0, 0.2]]], [[[0.8, -0.5]]], [[[0.1, 1.1]]]], dtype=torch.float64),
    scales=torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64),
    weights=torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64),
)


def parts(interpolant: Interpolant, data: torch.Tensor, noise: torch.Tensor, t: torch.Tensor):
    """x and each of the predictions by its definition."""
    return interpolant.interpolate(data, noise, t), meanings(interpolant.state(t), data, noise)


@pytest.mark.parametrize(("path", "source", "target"), list(product(PATHS, PREDICTIONS, PREDICTIONS)))
@settings(max_examples=8)
@given(t=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_conversion_is_exact(path: str, source: str, target: str, t: float, seed: int):
    generator = torch.Generator().manual_seed(seed)
    data, noise = torch.randn(2, 3, 1, 2, 2, generator=generator, dtype=torch.float64)
    times = torch.full((3,), t, dtype=torch.float64)
    interpolant = Interpolant(path, source)
    if path == "polynomial":
        times = times.clamp(min=0.04)  # Below, its α = t² has fallen to the cut-off.
    x, values = parts(interpolant, data, noise, times)
    converted = interpolant.convert(target, values[source], x, times)
    scale = max(1.0, float(values[target].abs().max()))
    assert float((converted - values[target]).abs().max()) <= 1e-6 * scale


@pytest.mark.parametrize(("path", "source"), list(product(PATHS, PREDICTIONS)))
def test_conversions_in_float32_of_a_marginal(path: str, source: str):
    interpolant = Interpolant(path, source)
    t = torch.linspace(0.2, 0.9, 8, dtype=torch.float64)
    data = MIXTURE.sample(8, torch.Generator().manual_seed(1))
    noise = torch.randn(data.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x = interpolant.interpolate(data, noise, t).float()
    state = interpolant.state(t)
    expected_data, expected_noise = MIXTURE.posterior(x.double(), state.alpha, state.sigma)
    _, expected = parts(interpolant, expected_data, expected_noise, t)
    output = expected[source].float()
    for target in PREDICTIONS:
        converted = interpolant.convert(target, output, x, t)
        assert converted.dtype == torch.float32
        # Relative to what is added up: on VE a velocity of order 100 carries data of order 1.
        scale = max(float(v.abs().max()) for v in (*expected.values(), x / state.sigma.min()))
        assert float((converted - expected[target]).abs().max()) <= 1e-6 * scale


@pytest.mark.parametrize("path", PATHS)
def test_score_is_the_gradient_of_the_log_density(path: str):
    interpolant = Interpolant(path, "velocity")
    t = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    x = torch.randn(9, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    state = interpolant.state(t)
    (gradient,) = torch.autograd.grad(MIXTURE.log_prob(x, state.alpha, state.sigma).sum(), x)
    x = x.detach()
    score = interpolant.score(MIXTURE.model(interpolant)(x, t), x, t)
    torch.testing.assert_close(score, gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_velocity_moves_the_density(path: str):
    """The continuity equation, divided by the density: ∂ log p/∂t + v·∇ log p + ∇·v = 0."""
    interpolant = Interpolant(path, "score")
    network = MIXTURE.model(interpolant)
    t = torch.linspace(0.15, 0.85, 8, dtype=torch.float64).requires_grad_()
    x = torch.randn(8, 1, 1, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()
    state = interpolant.state(t)
    log_density = MIXTURE.log_prob(x, state.alpha, state.sigma)
    by_t, by_x = torch.autograd.grad(log_density.sum(), (t, x))
    fixed = t.detach()
    velocity = interpolant.velocity(network(x, fixed), x, fixed)
    divergence = sum(
        torch.autograd.grad(velocity[..., i].sum(), x, retain_graph=True)[0][..., i].flatten() for i in range(2)
    )
    residual = by_t + (velocity * by_x).flatten(1).sum(1) + divergence
    scale = float(by_t.abs().max() + divergence.abs().max())
    assert float(residual.detach().abs().max()) <= 1e-9 * scale


@pytest.mark.parametrize(("path", "source", "dtype"), list(product(PATHS, PREDICTIONS, ("float32", "bfloat16"))))
def test_every_conversion_is_finite_up_to_the_ends(path: str, source: str, dtype: str):
    interpolant = Interpolant(path, source)
    t = torch.tensor([0.0, 1e-7, 1e-3, 0.5, 1 - 1e-3, 1 - 6e-8, 1.0])
    x = torch.linspace(-3, 3, 14).reshape(7, 1, 1, 2).to(getattr(torch, dtype))
    for target in PREDICTIONS:
        assert bool(interpolant.convert(target, 0.5 * x + 1, x, t).isfinite().all()), target


def test_the_density_of_a_mixture_integrates_to_one():
    line = GaussianMixture(
        means=torch.tensor([[-1.0], [2.0]], dtype=torch.float64),
        scales=torch.tensor([0.3, 1.0], dtype=torch.float64),
        weights=torch.tensor([0.4, 0.6], dtype=torch.float64),
    )
    x = torch.linspace(-12, 12, 4001, dtype=torch.float64)[:, None]
    density = line.log_prob(x, alpha=0.6, sigma=0.8).exp()
    assert float(torch.trapezoid(density, x[:, 0])) == pytest.approx(1.0, abs=1e-9)


def test_a_second_prediction_of_a_name_is_refused_and_the_four_methods_are_conversions():
    with pytest.raises(ValueError, match="two predictions are called 'noise'"):
        prediction("noise")(lambda state: Shares(state.alpha, state.sigma))
    assert tuple(MEMBERS) == PREDICTIONS
    interpolant, x = Interpolant("gvp", "noise"), torch.ones(1, 1, 1, 1)
    for target in ("velocity", "score", "noise", "data"):
        assert getattr(interpolant, target)(2 * x, x, 0.3) == interpolant.convert(target, 2 * x, x, 0.3)
