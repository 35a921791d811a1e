"""Classifier guidance: with the exact classifier, the field of all data becomes that of the class."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from scipy import stats

from tests.support.gaussian_mixture import GaussianMixture, meanings
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.sampling import Counted, sample
from zigbench.sampling.classifier_guidance import ClassifierGuidance
from zigbench.sampling.field import Field
from zigbench.sampling.guidance import Guidance
from zigbench.spec import SamplerSpec

NOISE = torch.randn(400, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABEL = torch.arange(400) % 2


def component(mixture: GaussianMixture, label: int) -> GaussianMixture:
    return GaussianMixture.single(mixture.means[label], float(mixture.scales[label]))


def draw(mixture: GaussianMixture, interpolant: Interpolant, noise=NOISE, **options) -> torch.Tensor:
    given = {"label": LABEL[: len(noise)], "classifier": mixture.classifier(interpolant), **options}
    return sample(mixture.model(interpolant), interpolant, noise, **given)


def ends(mixture: GaussianMixture) -> torch.Tensor:
    """Return the ends of the flow of each sample's own class, which is affine: μ + s ε."""
    return mixture.means[LABEL] + mixture.scales[LABEL].reshape(-1, 1, 1, 1) * NOISE


@pytest.mark.parametrize(("path", "prediction"), list(product(PATHS, PREDICTIONS)))
def test_every_quantity_gets_its_own_share_of_the_gradient(path: str, prediction: str, mixture: GaussianMixture):
    """s(x) + ∇ log p(y | x) is the score of the class, and the others are the expectations that belong to it."""
    interpolant = Interpolant(path, prediction)
    guided = ClassifierGuidance(mixture.classifier(interpolant), 1.0, LABEL)
    for t in (0.2, 0.5, 0.9):
        x = interpolant.state(t).sigma * NOISE + 0.3
        field = Field(mixture.model(interpolant), interpolant, Guidance(), torch.float64, LABEL, None, guided)
        values = field(x, t, *PREDICTIONS)
        for label in (0, 1):
            rows = label == LABEL
            state = interpolant.state(t)
            expected = meanings(state, *component(mixture, label).posterior(x[rows], state.alpha, state.sigma))
            for name, value in zip(PREDICTIONS, values, strict=True):
                torch.testing.assert_close(value[rows], expected[name], rtol=1e-9, atol=1e-9)


def assert_follows(x: torch.Tensor, mixture: GaussianMixture, error: float) -> None:
    """Every sample ends where its class's flow ends, within ``error``, and so does their mean."""
    torch.testing.assert_close(x, ends(mixture), rtol=0, atol=error)


# The noise of these paths still holds data at t = 0, which the starting noise does not.
STARTS = {"vp": 7e-3, "sub-vp": 7e-3, "ve": 2.1e-2}


@pytest.mark.parametrize("path", PATHS)
def test_samples_of_all_data_become_those_of_the_class(path: str, mixture: GaussianMixture):
    interpolant = Interpolant(path, "velocity" if path == "linear" else "noise")
    x = draw(mixture, interpolant, solver="dopri5", rtol=1e-5, atol=1e-6, classifier_scale=1.0)
    assert_follows(x, mixture, STARTS.get(path, 3e-3))


@pytest.mark.parametrize(
    ("solver", "steps"), [("heun", 200), ("ddim", 1_000), ("dpm-solver-2", 100), ("dpm-solver++-2", 100)]
)
def test_with_every_form_of_solver(solver: str, steps: int, mixture: GaussianMixture):
    x = draw(mixture, Interpolant("linear"), solver=solver, steps=steps, classifier_scale=1.0)
    assert_follows(x, mixture, 2e-2)  # The clamp of the noise's end at α/σ = 0.03.


@pytest.mark.parametrize("solver", ["stochastic-heun", "ddpm"])
def test_a_stochastic_solver_draws_from_the_class(solver: str, mixture: GaussianMixture):
    options = {"solver": solver, "steps": 200, "generator": torch.Generator().manual_seed(1)}
    x = draw(mixture, Interpolant("linear"), classifier_scale=1.0, **options)
    for label in (0, 1):
        one = component(mixture, label)
        standard = ((x[label == LABEL] - one.means[0]) / one.scales).flatten()
        assert stats.kstest(standard.numpy(), "norm").pvalue > 1e-3


def test_a_greater_scale_goes_further_from_the_other_class(mixture: GaussianMixture):
    along = (mixture.means[0] - mixture.means[1]).flatten()
    one, three = (draw(mixture, Interpolant(), classifier_scale=w).flatten(1) @ along for w in (1.0, 3.0))
    assert bool((three - one)[LABEL == 0].mean() > 0.01)
    assert bool((three - one)[LABEL == 1].mean() < -0.01)


def test_a_scale_of_0_leaves_every_bit(mixture: GaussianMixture):
    def never(x, t):
        raise AssertionError("the classifier was called")

    plain = sample(mixture.model(Interpolant()), Interpolant(), NOISE, label=LABEL)
    assert torch.equal(draw(mixture, Interpolant(), classifier_scale=0.0, classifier=never), plain)


def test_a_sample_without_a_label_and_times_outside_of_the_interval_are_not_guided(mixture: GaussianMixture):
    label = torch.where(LABEL == 0, -1, LABEL)
    plain = sample(mixture.model(Interpolant()), Interpolant(), NOISE, label=LABEL)
    x = draw(mixture, Interpolant(), classifier_scale=1.0, label=label)
    assert torch.equal(x[LABEL == 0], plain[LABEL == 0])
    assert not torch.equal(x[LABEL == 1], plain[LABEL == 1])
    interval = {"classifier_scale": 1.0, "guidance_interval": (0.505, 0.515)}  # No step of 50 begins there.
    assert torch.equal(draw(mixture, Interpolant(), **interval), plain)


def test_the_first_channels_only():
    def network(x, t, *, label=None, context=None):
        return torch.zeros_like(x)

    options = {"label": LABEL[:4], "classifier_scale": 1.0, "guidance_channels": 1}
    noise = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(2))
    x = sample(network, Interpolant(), noise, classifier=lambda x, t: x.sum((2, 3)), **options)
    assert torch.equal(x[:, 1:], noise[:, 1:])
    assert not torch.equal(x[:, 0], noise[:, 0])


def test_the_networks_evaluations_stay_as_many(mixture: GaussianMixture):
    network = Counted(mixture.model(Interpolant()))
    classifier = mixture.classifier(Interpolant())
    options = {"label": LABEL, "classifier": classifier, "classifier_scale": 1.0}
    sample(network, Interpolant(), NOISE, solver="heun", steps=7, **options)
    assert network.evaluations == SamplerSpec(solver="heun", steps=7, classifier_scale=1.0).network_evaluations


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classifier_scale": -1.0}, "must be at least 0"),
        ({"classifier_scale": 1.0, "classifier": None}, "without a classifier"),
        ({"classifier_scale": 1.0, "label": None}, "without a label"),
        ({"classifier_scale": 1.0, "solver": "mean-flow"}, "'mean-flow', which follows no score"),
        ({"classifier_scale": 1.0, "solver": "consistency"}, "'consistency', which follows no score"),
    ],
)
def test_impossible_guidance_is_refused(options: dict, words: str, mixture: GaussianMixture):
    with pytest.raises(ValueError, match=words):
        draw(mixture, Interpolant(), **options)


def test_a_coupling_whose_velocity_determines_no_score_is_refused(mixture: GaussianMixture):
    with pytest.raises(ValueError, match="for independent noise, not optimal-transport"):
        draw(mixture, Interpolant(coupling="optimal-transport"), classifier_scale=1.0)
