"""A sampler's options, its noise and its count of evaluations."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.sampling import (
    SDE_SOLVERS,
    Counted,
    Sampler,
    network_evaluations,
    sample,
    starting_noise,
)
from zigbench.sampling.random import increments
from zigbench.spec import SamplerSpec
from zigbench.spec import solvers as table
from zigbench.spec.presets import PRESETS


def never(x, t, *, label=None, context=None):
    raise AssertionError("the network was called")


def test_the_spec_and_the_sampler_have_the_same_defaults():
    assert Sampler(**SamplerSpec().model_dump(exclude_none=True)) == Sampler()


@pytest.mark.parametrize("solver", [name for name, solver in table.SOLVERS.items() if solver.evaluations is not None])
def test_evaluations_are_those_the_solvers_take(solver: str):
    for guidance in (1.0, 2.0):
        spec = SamplerSpec(solver=solver, steps=7, guidance=guidance)
        sampler = Sampler(solver=solver, steps=7, guidance=guidance)
        interpolant = Interpolant(*table.SOLVERS[solver].paths[:1])
        assert spec.network_evaluations == network_evaluations(sampler, interpolant)


def test_evaluations_of_an_adaptive_solver_are_unknown():
    assert SamplerSpec(solver="dopri5").network_evaluations is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number, at least 1"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"solver": "eulr"}, "did you mean 'euler'"),
        ({"solver": "heun", "diffusion": "sigma"}, "diffusion 'sigma' has no meaning for the solver 'heun'"),
        ({"solver": "ddpm", "last_step": "mean"}, "it belongs to euler-maruyama, stochastic-heun"),
        ({"solver": "euler", "rtol": 1e-3}, "it belongs to dopri5"),
        ({"solver": "dopri5", "atol": 0.0}, "atol is 0.0"),
        ({"solver": "euler-maruyama", "diffusion": "inceasing-decreasing"}, "did you mean 'increasing-decreasing'"),
        ({"solver": "euler-maruyama", "diffusion_scale": 0.0}, "an ODE solver adds no noise"),
        ({"solver": "euler-maruyama", "last_step": "tweedy"}, "did you mean 'tweedie'"),
        ({"solver": "euler", "last_step_size": 0.04}, "it belongs to euler-maruyama, stochastic-heun"),
        ({"solver": "euler-maruyama", "last_step_size": 1.0}, r"must lie in \(0, 1\)"),
        ({"solver": "euler-maruyama", "last_step_size": 0.1, "times": "log-snr"}, "is a length of t"),
        ({"times": "log_snr"}, "did you mean 'log-snr'"),
        ({"times": [0.5]}, "at least a first and a last"),
        ({"times": [0.0, 0.5, 0.5, 1.0]}, "must increase strictly"),
        ({"times": [0.0, 1.5]}, "must increase strictly"),
        ({"solver": "ddpm"}, "give a generator, or a list of one seed per sample"),
        ({"solver": "ddpm", "generator": [1, 2, 3]}, "3 seeds for 2 samples"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_step(options: dict, words: str):
    with pytest.raises(ValueError, match=words):
        sample(never, Interpolant(), torch.zeros(2, 1, 2, 2), **options)


def test_the_preset_of_sit_is_its_sampler_step_by_step(gaussian: GaussianMixture):
    """x ← x + (v + σ s) h + √(2σ h) ξ over linspace(0, 0.96, 250), then its mean over 0.04; Ma et al., their code."""
    interpolant, seeds = Interpolant("linear"), [3, 8]
    network = gaussian.model(interpolant)
    keys = PRESETS["sit-250-sde"].keys
    options = {key.removeprefix("sampler."): value for key, value in keys.items() if key.startswith("sampler")}
    noise = starting_noise(seeds, gaussian.means.shape[1:]).double()
    draws, x = increments(seeds, 2), noise

    def drift(x, t):
        state = interpolant.state(torch.full((2,), t, dtype=torch.float64))
        data, epsilon = gaussian.posterior(x, state.alpha, state.sigma)
        return (data - epsilon) - epsilon  # σ s = −ε.

    times = torch.linspace(0, 0.96, 250, dtype=torch.float64).tolist()
    for t, end in pairwise(times):
        h = end - t
        x = x + h * drift(x, t) + math.sqrt(2 * (1 - t) * h) * draws(x)
    x = x + 0.04 * drift(x, 0.96)
    found = sample(network, interpolant, noise, generator=seeds, **options)
    torch.testing.assert_close(found, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("solver", SDE_SOLVERS)
def test_seeded_samples_do_not_depend_on_their_batch(solver: str, gaussian: GaussianMixture):
    interpolant = Interpolant("linear")
    network = gaussian.model(interpolant)
    seeds = [7, 1, 30, 4, 2]

    def draw(chosen: list[int]) -> torch.Tensor:
        noise = starting_noise(chosen, (1, 2, 2))
        return sample(network, interpolant, noise, solver=solver, steps=8, generator=chosen)

    whole = draw(seeds)
    parts = torch.cat([draw(seeds[:2]), draw(seeds[2:3]), draw(seeds[3:])])
    torch.testing.assert_close(whole, parts, rtol=0, atol=0)
    assert torch.equal(draw(seeds[::-1]).flip(0), whole)
    assert len({tuple(row) for row in whole.flatten(1).tolist()}) == len(seeds)


def test_starting_noise_is_not_the_noise_of_the_first_step():
    """Were both one stream, a step's noise would repeat the start and the variance would be wrong."""
    seeds = list(range(4000))
    noise = starting_noise(seeds, (1, 1, 1)).flatten()
    taken = []

    def network(x, t, *, label=None, context=None):
        taken.append(x.clone())
        return torch.zeros_like(x)

    sample(
        network, Interpolant("linear"), noise.reshape(-1, 1, 1, 1), solver="euler-maruyama", steps=4, generator=seeds
    )
    step = (taken[1] - taken[0]).flatten()
    drift = torch.linalg.lstsq(noise[:, None], step[:, None]).solution
    residual = step - noise * drift.squeeze()
    assert float(residual.std()) > 0.3  # Fresh noise remains once what follows from the start is taken away.
    assert abs(float(noise.mean())) < 0.06
    assert float(noise.std()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("solver", SDE_SOLVERS)
def test_a_generator_decides_the_noise_and_the_global_one_is_left_alone(solver: str, gaussian: GaussianMixture):
    interpolant, noise = Interpolant("gvp"), torch.ones(3, 1, 2, 2)
    state = torch.random.get_rng_state()

    def draw(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return sample(gaussian.model(interpolant), interpolant, noise, solver=solver, steps=4, generator=generator)

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("solver", "evaluations"),
    [
        ("euler", 10),
        ("heun", 20),
        ("midpoint", 20),
        ("rk4", 40),
        ("ddim", 10),
        ("dpm-solver-1", 10),
        ("dpm-solver-2", 19),  # The last step goes to an infinite ratio and has no middle.
        ("dpm-solver++-1", 10),
        ("dpm-solver++-2", 10),
        ("euler-maruyama", 10),
        ("stochastic-heun", 19),  # The last step is the mean alone.
        ("ddpm", 10),
    ],
)
def test_evaluations_are_counted_exactly(solver: str, evaluations: int):
    assert network_evaluations(Sampler(solver=solver, steps=10), Interpolant()) == evaluations


@pytest.mark.parametrize(("path", "prediction"), list(product(PATHS, PREDICTIONS)))
def test_a_step_to_a_singular_end_takes_one_evaluation(path: str, prediction: str):
    """The velocity of these paths is infinite where σ = 0, and does not follow from these predictions."""
    end = Interpolant(path).state(1.0)
    singular = bool(end.dsigma.isinf()) or (float(end.sigma) == 0 and prediction in ("data", "score"))
    evaluations = network_evaluations(Sampler(solver="rk4", steps=10), Interpolant(path, prediction))
    assert evaluations == (37 if singular else 40)


def test_a_stochastic_step_to_a_singular_end_takes_one_evaluation():
    last = Sampler(solver="stochastic-heun", steps=10, last_step="none")
    assert network_evaluations(last, Interpolant("vp")) == 19
    assert network_evaluations(last, Interpolant("linear")) == 20


def test_dopri5_has_no_count_beforehand_but_can_be_counted(gaussian: GaussianMixture):
    with pytest.raises(ValueError, match="count them with Counted"):
        network_evaluations(Sampler(solver="dopri5"), Interpolant())
    network = Counted(gaussian.model(Interpolant()))
    sample(network, Interpolant(), torch.zeros(1, 1, 2, 2), solver="dopri5")
    assert network.evaluations > 6


def test_bf16_reaches_the_network_while_the_state_is_kept_in_float32():
    given = []

    def network(x, t, *, label=None, context=None):
        given.append((x.dtype, t.dtype))
        return torch.full_like(x, 1e-3)

    x = sample(network, Interpolant(), torch.ones(1, 1, 1, 1, dtype=torch.bfloat16), steps=100)
    assert set(given) == {(torch.bfloat16, torch.float32)}
    assert x.dtype == torch.bfloat16
    # A hundred steps of 1e-5 are each lost in bf16; in float32 they add up to 1e-3.
    exact = sample(network, Interpolant(), torch.ones(1, 1, 1, 1), steps=100)
    assert float(exact) == pytest.approx(1.001, abs=1e-5)
