"""The likelihood against densities that are known."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import PREDICTIONS, Interpolant
from zigbench.sampling import SDE_SOLVERS, likelihood

TIGHT = {"rtol": 1e-8, "atol": 1e-8}


@pytest.mark.parametrize("path", ["linear", "gvp", "polynomial", "sub-vp"])
def test_exact_on_a_mixture(path: str, mixture: GaussianMixture):
    interpolant = Interpolant(path)
    data = mixture.sample(12, torch.Generator().manual_seed(0))
    result = likelihood(mixture.model(interpolant), interpolant, data, trace="exact", **TIGHT)
    # sub-VP begins with α = 0.0066 of the data in its noise, which the base density leaves out.
    tolerance = 2e-2 if path == "sub-vp" else 1e-5
    torch.testing.assert_close(result.log_prob, mixture.log_prob(data), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("path", "prediction"), list(product(("linear", "vp", "cosine"), PREDICTIONS)))
def test_every_prediction(path: str, prediction: str, gaussian: GaussianMixture):
    interpolant = Interpolant(path, prediction)
    data = gaussian.sample(6, torch.Generator().manual_seed(1))
    result = likelihood(gaussian.model(interpolant), interpolant, data, trace="exact", **TIGHT)
    # Held at a noise of 0.001 next to the data, of a width of 0.6.
    torch.testing.assert_close(result.log_prob, gaussian.log_prob(data), rtol=0, atol=3e-2)


def test_ve_is_the_likelihood_with_the_noise_that_stays(gaussian: GaussianMixture):
    interpolant = Interpolant("ve", sigma_min=0.2, sigma_max=1000.0)
    data = gaussian.sample(6, torch.Generator().manual_seed(1))
    result = likelihood(gaussian.model(interpolant), interpolant, data, trace="exact", **TIGHT)
    torch.testing.assert_close(result.log_prob, gaussian.log_prob(data, 1.0, 0.2), rtol=0, atol=5e-3)


def test_hutchinson_is_exact_where_the_jacobian_is_a_multiple_of_one(gaussian: GaussianMixture):
    interpolant = Interpolant("gvp")
    data = gaussian.sample(5, torch.Generator().manual_seed(2))
    network = gaussian.model(interpolant)
    exact = likelihood(network, interpolant, data, trace="exact", **TIGHT)
    estimate = likelihood(network, interpolant, data, generator=[1, 2, 3, 4, 5], **TIGHT)
    torch.testing.assert_close(estimate.log_prob, exact.log_prob, rtol=0, atol=1e-8)
    torch.testing.assert_close(estimate.noise, exact.noise, rtol=0, atol=1e-8)


def test_hutchinson_agrees_with_exact_on_average(mixture: GaussianMixture):
    interpolant = Interpolant("linear")
    datum = mixture.sample(1, torch.Generator().manual_seed(3)).expand(4000, 1, 1, 2)
    options = {"solver": "rk4", "steps": 40}
    network = mixture.model(interpolant)
    exact = likelihood(network, interpolant, datum[:1], trace="exact", **options).log_prob
    generator = torch.Generator().manual_seed(4)
    estimates = likelihood(network, interpolant, datum, generator=generator, **options).log_prob
    error = float(estimates.std()) / math.sqrt(4000)
    assert error > 0
    assert abs(float(estimates.mean() - exact)) < 4 * error


def test_one_probe_per_sample_for_the_whole_solve():
    """For v = x A the estimate is zᵀ A z for a single Rademacher z; A is chosen so that each z shows."""
    matrix = torch.tensor([[0.2, 0.5], [0.3, -0.4]], dtype=torch.float64)

    def network(x, t, *, label=None, context=None):
        return x @ matrix

    data = torch.zeros(64, 1, 1, 2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(5)
    result = likelihood(network, Interpolant(), data, generator=generator, solver="rk4", steps=8)
    gained = result.log_prob + math.log(2 * math.pi)  # The datum 0 stays at 0, where the base density is 1/2π.
    values = sorted({round(float(value), 9) for value in gained})
    # −zᵀAz is −(trace + 0.8 z₁z₂); a probe drawn anew in each stage would give values in between.
    assert values == pytest.approx([-0.6, 1.0])
    other = likelihood(network, Interpolant(), data, generator=generator, solver="rk4", steps=8).log_prob
    assert not torch.equal(other, result.log_prob)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("midpoint", 2), ("rk4", 4)])
def test_fixed_steps_converge_in_their_order(solver: str, order: int, gaussian: GaussianMixture):
    interpolant = Interpolant("linear")
    data = gaussian.sample(4, torch.Generator().manual_seed(6))
    exact = gaussian.log_prob(data)

    def error(steps: int) -> float:
        network = gaussian.model(interpolant)
        result = likelihood(network, interpolant, data, trace="exact", solver=solver, steps=steps)
        return float((result.log_prob - exact).abs().mean())

    assert math.log2(error(20) / error(40)) > order - 0.3


def test_noise_is_where_the_flow_began(gaussian: GaussianMixture):
    interpolant = Interpolant("linear")
    data = gaussian.sample(4, torch.Generator().manual_seed(7))
    result = likelihood(gaussian.model(interpolant), interpolant, data, trace="exact", **TIGHT)
    torch.testing.assert_close(result.noise, (data - gaussian.means) / 0.6, rtol=0, atol=1e-6)


def test_bits_per_dimension_of_uniform_integers_are_eight():
    """A uniform density on [-1, 1] is 1/2 per number: 256 equally likely integers."""
    uniform = likelihood(
        lambda x, t, **_: torch.zeros_like(x), Interpolant(), torch.zeros(1, 3, 2, 2), trace="exact", solver="euler"
    )
    flat = type(uniform)(torch.tensor([-12 * math.log(2)]), uniform.noise)
    assert float(flat.bits_per_dimension()) == pytest.approx(8.0)


def test_the_condition_reaches_the_network_and_its_weights_get_no_gradient():
    weight = torch.ones((), requires_grad=True)

    def network(x, t, *, label=None, context=None):
        return weight * x * label.reshape(-1, 1, 1, 1)

    label = torch.tensor([0, 1])
    result = likelihood(
        network, Interpolant(), torch.zeros(2, 1, 1, 1), trace="exact", solver="rk4", steps=20, label=label
    )
    base = -0.5 * math.log(2 * math.pi)
    assert result.log_prob.tolist() == pytest.approx([base, base - 1.0], abs=1e-5)
    assert weight.grad is None
    assert not result.log_prob.requires_grad


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *(({"solver": solver}, f"no likelihood with the solver '{solver}'") for solver in SDE_SOLVERS),
        ({"solver": "dpm-solver-2"}, "use one of euler, heun, midpoint, rk4, dopri5"),
        ({"solver": "rk5"}, "did you mean 'rk4'"),
        ({"solver": "rk4", "steps": 0}, "steps is 0"),
        ({"trace": "hutchison"}, "did you mean 'hutchinson'"),
        ({"trace": "hutchinson"}, "give a generator or seeds"),
    ],
)
def test_what_has_no_likelihood_is_refused(options: dict, words: str):
    def never(x, t, *, label=None, context=None):
        raise AssertionError("the network was called")

    with pytest.raises(ValueError, match=words):
        likelihood(never, Interpolant(), torch.zeros(1, 1, 2, 2), **options)
