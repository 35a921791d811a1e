"""Langevin dynamics as a corrector and alone, and DDIM between its two ends."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import Interpolant
from zigbench.sampling import Sampler, network_evaluations, sample
from zigbench.sampling.field import Field
from zigbench.sampling.guidance import Guidance
from zigbench.sampling.random import increments
from zigbench.sampling.solvers.langevin import langevin
from zigbench.spec import RunSpec, SamplerSpec
from zigbench.spec.errors import SpecError

COUNT = 6_000


def normal(seed: int, count: int = COUNT) -> Tensor:
    return torch.randn(count, 1, 1, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def follows(x: Tensor, reference: Tensor, least: float = 1e-3) -> bool:
    """Compare two sets of samples along three directions, by Kolmogorov–Smirnov."""
    sides = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]], dtype=torch.float64)
    pairs = ((x.flatten(1) @ side, reference.flatten(1) @ side) for side in sides)
    return all(stats.ks_2samp(one.numpy(), other.numpy()).pvalue > least for one, other in pairs)


@pytest.mark.parametrize(("path", "t"), [("linear", 0.6), ("ve", 0.5), ("gvp", 0.3)])
def test_a_corrector_leaves_the_true_law_as_it_is(path: str, t: float, mixture: GaussianMixture) -> None:
    interpolant = Interpolant(path, "noise")
    field = Field(mixture.model(interpolant), interpolant, Guidance(), torch.float64)

    def at(seed: int) -> Tensor:
        data = mixture.sample(COUNT, torch.Generator().manual_seed(seed))
        return interpolant.interpolate(data, normal(seed + 1), torch.full((COUNT,), t, dtype=torch.float64))

    x = at(0)
    moved = langevin(field, x, t, 0.02, 100, increments(torch.Generator().manual_seed(5), COUNT))
    assert float((moved - x).abs().mean()) > 0.1
    assert follows(moved, at(10))


def test_annealed_langevin_finds_both_modes_by_their_weights(mixture: GaussianMixture) -> None:
    interpolant = Interpolant("ve", "score", sigma_min=0.02, sigma_max=10.0)
    sampler = Sampler("annealed-langevin", steps=16, corrections=40)
    x = sampler(mixture.model(interpolant), interpolant, normal(0), generator=torch.Generator().manual_seed(1))
    near = (x.flatten(1)[:, None] - mixture.means.flatten(1)).norm(dim=2).argmin(1)
    shares = torch.bincount(near, minlength=2) / COUNT
    assert float(shares[0]) == pytest.approx(0.4, abs=0.03)
    for mode, (mean, scale) in enumerate(zip(mixture.means.flatten(1), mixture.scales, strict=True)):
        own = x.flatten(1)[near == mode]
        torch.testing.assert_close(own.mean(0), mean, rtol=0, atol=0.06)
        torch.testing.assert_close(own.std(0), scale.expand(2), rtol=0.1, atol=0)


@pytest.mark.parametrize("path", ["linear", "ve"])
def test_a_predictor_with_a_corrector_draws_the_mixture(path: str, mixture: GaussianMixture) -> None:
    interpolant = Interpolant(path, "noise")
    x = sample(
        mixture.model(interpolant), interpolant, normal(3), solver="predictor-corrector", steps=150,
        generator=torch.Generator().manual_seed(4), langevin_rate=0.02,
    )  # fmt: skip
    assert follows(x, mixture.sample(20_000, torch.Generator().manual_seed(99)), least=1e-4)


def test_annealing_needs_noise_that_is_added(mixture: GaussianMixture) -> None:
    interpolant = Interpolant("linear")
    with pytest.raises(ValueError, match="take the path 've'"):
        sample(mixture.model(interpolant), interpolant, normal(0, 2), solver="annealed-langevin", generator=[0, 1])
    run = {"backbone.name": "dit", "data.name": "digits", "sampler.solver": "annealed-langevin"}
    with pytest.raises(SpecError, match="is not defined on the path 'linear'; take the path 've'"):
        RunSpec.parse(run)


def test_evaluations_count_the_corrections() -> None:
    for options, count in (
        ({"solver": "predictor-corrector", "steps": 5}, 10),
        ({"solver": "predictor-corrector", "steps": 5, "corrections": 3}, 20),
        ({"solver": "annealed-langevin", "steps": 5}, 500),
        ({"solver": "annealed-langevin", "steps": 5, "corrections": 2}, 10),
    ):
        assert SamplerSpec(**options).network_evaluations == count
        assert network_evaluations(Sampler(**options), Interpolant("ve")) == count


def test_ddim_goes_from_no_noise_to_that_of_ancestral_sampling(mixture: GaussianMixture) -> None:
    interpolant, start = Interpolant("linear"), normal(0, 500)
    network = mixture.model(interpolant)

    def draw(**options: object) -> Tensor:
        generator = torch.Generator().manual_seed(2)
        return sample(network, interpolant, start, steps=20, generator=generator, **options)

    assert torch.equal(draw(solver="ddim"), draw(solver="ddim", eta=0.0))
    torch.testing.assert_close(draw(solver="ddim", eta=1.0), draw(solver="ddpm"))
    between = Sampler("ddim", steps=200, eta=0.5)
    assert between.stochastic
    x = between(network, interpolant, normal(1), generator=torch.Generator().manual_seed(3))
    assert follows(x, mixture.sample(20_000, torch.Generator().manual_seed(99)))
    with pytest.raises(ValueError, match="draws noise: give a generator"):
        between(network, interpolant, start)
    with pytest.raises(ValueError, match="eta is 2"):
        Sampler("ddim", eta=2.0)


def test_a_shift_multiplies_the_noise_over_the_data() -> None:
    interpolant = Interpolant()
    plain, shifted = (torch.tensor(Sampler(steps=8, shift=s).grid(interpolant)).double() for s in (None, 3.0))
    assert (float(shifted[0]), float(shifted[-1])) == (0.0, 1.0)
    ratios = [(1 - times[1:-1]) / times[1:-1] for times in (plain, shifted)]
    torch.testing.assert_close(ratios[1], 3 * ratios[0], rtol=1e-5, atol=0)
    for options in ({"solver": "dpm-solver++-2"}, {"times": "log-snr"}, {"times": (0.0, 1.0)}):
        with pytest.raises(ValueError, match="no meaning for another"):
            Sampler(shift=3.0, **options)
