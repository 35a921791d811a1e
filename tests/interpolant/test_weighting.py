"""A weight means the same loss whatever is predicted."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from zigbench.interpolant import PATHS, PREDICTIONS, WEIGHTINGS, Interpolant
from zigbench.interpolant.weighting import MEMBERS, weighting

GENERATOR = torch.Generator().manual_seed(0)
DATA = torch.randn(16, 1, 2, 2, generator=GENERATOR, dtype=torch.float64)
NOISE = torch.randn(16, 1, 2, 2, generator=GENERATOR, dtype=torch.float64)
T = torch.linspace(0.1, 0.9, 16, dtype=torch.float64)


def clumsy(prediction: str, interpolant: Interpolant):
    """One and the same wrong network, stated as a prediction of the data and converted to ``prediction``."""
    stated = Interpolant(interpolant.path, "data")

    def network(x, t, *, label=None, context=None):
        return stated.convert(prediction, torch.tanh(x) * 0.5, x, t)

    return network


@pytest.mark.parametrize(("path", "name"), list(product(PATHS, [name for name in WEIGHTINGS if name != "none"])))
def test_the_weighted_loss_does_not_depend_on_the_prediction(path: str, name: str):
    losses = []
    for prediction in PREDICTIONS:
        interpolant = Interpolant(path, prediction, name)
        losses.append(interpolant.loss(clumsy(prediction, interpolant), DATA, noise=NOISE, t=T))
    for loss in losses[1:]:
        torch.testing.assert_close(loss, losses[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("path", PATHS)
def test_the_named_weights_are_the_published_ones(path: str):
    interpolant = Interpolant(path, "noise")
    d, sigma = interpolant.state(T).drift_variance, interpolant.state(T).sigma
    plain = interpolant.loss(clumsy("noise", interpolant), DATA, noise=NOISE, t=T)
    for name, factor in (("velocity", (d / sigma) ** 2), ("likelihood", d / sigma**2)):
        weighted = Interpolant(path, "noise", name)
        loss = weighted.loss(clumsy("noise", weighted), DATA, noise=NOISE, t=T)
        torch.testing.assert_close(loss, factor * plain, rtol=1e-9, atol=0)


def test_a_function_of_time_is_a_weight():
    plain = Interpolant().loss(clumsy("velocity", Interpolant()), DATA, noise=NOISE, t=T)
    interpolant = Interpolant(weighting=lambda t: 1 + t)
    loss = interpolant.loss(clumsy("velocity", interpolant), DATA, noise=NOISE, t=T)
    torch.testing.assert_close(loss, (1 + T) * plain)


@pytest.mark.parametrize(("path", "prediction"), list(product(PATHS, PREDICTIONS)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradient_are_finite_at_every_time(path: str, prediction: str, dtype: torch.dtype):
    t = torch.tensor([0.0, 1e-7, 1e-4, 0.3, 1 - 1e-4, 1 - 6e-8, 1.0])
    gain = torch.ones((), requires_grad=True)

    def network(x, t, *, label=None, context=None):
        assert bool(x.isfinite().all())
        return (gain * x).to(dtype)

    for name in WEIGHTINGS:
        gain.grad = None
        interpolant = Interpolant(path, prediction, name)
        loss = interpolant.loss(network, DATA[:7].float(), noise=NOISE[:7].float(), t=t)
        assert loss.shape == (7,)
        assert loss.dtype == torch.float32
        loss.sum().backward()
        assert bool(loss.isfinite().all()), name
        assert gain.grad is not None
        assert bool(gain.grad.isfinite()), name


def test_a_second_weighting_of_a_name_is_refused_and_one_of_a_users_own_can_be_named():
    assert tuple(MEMBERS) == WEIGHTINGS
    with pytest.raises(ValueError, match="two weightings are called 'velocity'"):
        weighting("velocity")(lambda state, determinant: determinant)
    weighting("doubled")(lambda state, determinant: torch.full_like(determinant, 2.0))
    plain, doubled = Interpolant(), Interpolant(weighting="doubled")
    losses = [i.loss(clumsy("velocity", i), DATA, noise=NOISE, t=T) for i in (plain, doubled)]
    torch.testing.assert_close(losses[1], 2 * losses[0])
    assert "doubled" not in WEIGHTINGS
    del MEMBERS["doubled"]
