"""The interpolant as a whole: what it accepts, what it hands to the network, what its loss teaches."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from itertools import product
from typing import get_args

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import COUPLINGS, PATHS, PREDICTIONS, TIMES, WEIGHTINGS, Interpolant
from zigbench.spec import InterpolantSpec
from zigbench.spec.sections import interpolant as section


def zeros(x, t, *, label=None, context=None):
    return torch.zeros_like(x)


def test_the_spec_names_the_same_members():
    assert (tuple(section.PATHS), tuple(section.TIMES)) == (PATHS, TIMES)
    assert (section.PREDICTIONS, section.WEIGHTINGS) == (PREDICTIONS, WEIGHTINGS)
    assert get_args(InterpolantSpec.model_fields["coupling"].annotation) == COUPLINGS
    assert Interpolant(**InterpolantSpec().model_dump()) == Interpolant()


def test_every_combination_of_members_can_be_built():
    built = {Interpolant(*members) for members in product(PATHS, PREDICTIONS, WEIGHTINGS, TIMES, COUPLINGS)}
    assert len(built) == len(PATHS) * len(PREDICTIONS) * len(WEIGHTINGS) * len(TIMES) * len(COUPLINGS)


def test_its_facts_tell_it_from_every_other_in_words():
    combinations = product(PATHS, PREDICTIONS, WEIGHTINGS, TIMES, COUPLINGS)
    told = {json.dumps(Interpolant(*members).facts) for members in combinations}
    told |= {json.dumps(Interpolant("polynomial", degree=degree).facts) for degree in (1.5, 3.0)}
    told |= {json.dumps(Interpolant(cutoff=0.01).facts), json.dumps(Interpolant(weighting=torch.exp).facts)}
    assert len(told) == len(PATHS) * len(PREDICTIONS) * len(WEIGHTINGS) * len(TIMES) * len(COUPLINGS) + 4
    assert Interpolant("polynomial").facts == Interpolant("polynomial", degree=2.0).facts


def test_it_is_immutable_and_options_that_are_none_are_defaults():
    interpolant = Interpolant("polynomial", degree=None)
    assert interpolant == Interpolant("polynomial", degree=2.0)
    with pytest.raises(FrozenInstanceError):
        interpolant.prediction = "data"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prediction": "epsilon"}, "unknown prediction 'epsilon'; allowed: velocity, score, noise, data"),
        ({"weighting": "velocities"}, "did you mean 'velocity'"),
        ({"coupling": "optimal"}, "did you mean 'optimal-transport'"),
    ],
)
def test_unknown_names_are_refused(arguments: dict[str, str], words: str):
    with pytest.raises(ValueError, match=words):
        Interpolant(**arguments)


@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (4, 5, 3, 2, 2)])
def test_the_network_is_given_the_noisy_sample_and_its_condition(shape: tuple[int, ...]):
    interpolant = Interpolant()
    data = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    noise, t = interpolant.draw(data, torch.Generator().manual_seed(1))
    label, context = torch.arange(4), torch.randn(4, 7, 8, generator=torch.Generator().manual_seed(2))

    def network(x, given_t, *, label=None, context=None):
        scale = t.reshape(-1, *[1] * (len(shape) - 1))
        torch.testing.assert_close(x, scale * data + (1 - scale) * noise)
        torch.testing.assert_close(given_t, t)
        assert label.tolist() == [0, 1, 2, 3]
        assert context.shape == (4, 7, 8)
        return data - noise

    loss = interpolant.loss(network, data, noise=noise, t=t, label=label, context=context)
    torch.testing.assert_close(loss, torch.zeros(4))


def test_the_loss_is_the_mean_square_of_each_sample():
    data, noise = torch.ones(2, 1, 2, 2), torch.tensor([0.0, 3.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    loss = Interpolant().loss(zeros, data, noise=noise, t=torch.tensor([0.5, 0.5]))
    assert loss.tolist() == [1.0, 4.0]


@pytest.mark.parametrize("shape", [(3, 2, 4, 4), (3, 5, 2, 4, 4)])
def test_learned_variance_is_set_aside(shape: tuple[int, ...]):
    data = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    noise, t = Interpolant().draw(data, torch.Generator().manual_seed(1))

    def doubled(x, t, *, label=None, context=None):
        return torch.cat([data - noise, torch.full_like(x, 9.0)], -3)

    torch.testing.assert_close(Interpolant().loss(doubled, data, noise=noise, t=t), torch.zeros(3))


def test_an_output_of_another_shape_is_refused():
    data = torch.zeros(2, 3, 4, 4)

    def cropped(x, t, *, label=None, context=None):
        return x[..., :2]

    with pytest.raises(ValueError, match=r"returned \(2, 3, 4, 2\) .* \(2, 6, 4, 4\)"):
        Interpolant().loss(cropped, data, noise=data, t=torch.ones(2))


@pytest.mark.parametrize(("path", "prediction"), list(product(PATHS, PREDICTIONS)))
def test_the_perfect_network_has_the_least_loss(path: str, prediction: str):
    """Common random numbers: any other constant multiple of its output does worse."""
    mixture = GaussianMixture(
        means=torch.tensor([-1.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1),
        scales=torch.tensor([0.3, 0.3], dtype=torch.float64),
        weights=torch.tensor([0.5, 0.5], dtype=torch.float64),
    )
    interpolant = Interpolant(path, prediction)
    perfect = mixture.model(interpolant)
    generator = torch.Generator().manual_seed(0)
    data = mixture.sample(20_000, generator)
    noise = interpolant.draw(data, generator)[0]
    t = torch.full((20_000,), 0.6, dtype=torch.float64)

    def loss(gain: float) -> float:
        def scaled(x, t, **condition):
            return gain * perfect(x, t)

        return float(interpolant.loss(scaled, data, noise=noise, t=t).mean())

    assert loss(1.0) < min(loss(0.9), loss(1.1))


@pytest.mark.parametrize("t", [-0.01, 1.5, torch.tensor([0.5, 2.0]), float("inf")])
def test_a_time_outside_the_unit_interval_is_refused_and_not_clamped(t):
    x = torch.zeros(2, 1, 2, 2)
    for path in PATHS:
        interpolant = Interpolant(path)
        for act in (
            lambda: interpolant.state(t),  # noqa: B023
            lambda: interpolant.convert("data", x, x, t),  # noqa: B023
            lambda: interpolant.velocity(x, x, t),  # noqa: B023
        ):
            with pytest.raises(ValueError, match=r"is outside \[0, 1\]; t = 0 is noise and t = 1 is data"):
                act()
    assert Interpolant().state(1 + 1e-9).alpha == pytest.approx(1)
