"""Sampling along another path than the one trained on."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant, swap
from zigbench.sampling import sample

MIXTURE = GaussianMixture(
    means=torch.tensor([[[[-1.0, 0.5]]], [[[0.7, -0.2]]]], dtype=torch.float64),
    scales=torch.tensor([0.3, 0.4], dtype=torch.float64),
    weights=torch.tensor([0.35, 0.65], dtype=torch.float64),
)


@pytest.mark.parametrize(("trained", "path"), list(product(PATHS, PATHS)))
def test_the_field_is_that_of_the_other_path(trained: str, path: str):
    target = Interpolant(path)
    t = torch.linspace(0.3, 0.9, 7, dtype=torch.float64)  # Ratios that all paths reach.
    x = torch.randn(7, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for prediction in PREDICTIONS:
        interpolant = Interpolant(trained, prediction)
        network, returned = swap(MIXTURE.model(interpolant), interpolant, path)
        assert returned == target
        expected = MIXTURE.model(target)(x, t)
        torch.testing.assert_close(network(x, t), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_samples_along_the_other_path_are_those_of_its_own_network(path: str):
    trained, target = Interpolant("gvp", "noise"), Interpolant(path)
    noise = torch.randn(8, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    swapped, interpolant = swap(MIXTURE.model(trained), trained, path)
    own = sample(MIXTURE.model(target), target, noise, solver="rk4", steps=200)
    other = sample(swapped, interpolant, noise, solver="rk4", steps=200)
    torch.testing.assert_close(other, own, rtol=0, atol=5e-3)


def test_the_condition_reaches_the_network_and_the_prediction_is_ones_choice():
    trained = Interpolant("vp", "noise")
    seen = {}

    def network(x, t, *, label=None, context=None):
        seen.update(label=label, context=context)
        return MIXTURE.model(trained)(x, t)

    swapped, interpolant = swap(network, trained, "linear", prediction="data")
    x, t = torch.zeros(2, 1, 1, 2, dtype=torch.float64), torch.full((2,), 0.5, dtype=torch.float64)
    label, context = torch.tensor([1, -1]), torch.ones(2, 3, 4)
    output = swapped(x, t, label=label, context=context)
    assert interpolant.prediction == "data"
    torch.testing.assert_close(output, MIXTURE.model(Interpolant("linear", "data"))(x, t), rtol=1e-6, atol=1e-6)
    assert seen["label"] is label
    assert seen["context"] is context


def test_a_network_in_bf16_is_finite_at_both_ends():
    for trained, path in product(PATHS, PATHS):
        interpolant = Interpolant(trained, "noise")
        network, _ = swap(MIXTURE.model(interpolant), interpolant, path)
        output = network(torch.ones(2, 1, 1, 2, dtype=torch.bfloat16), torch.tensor([0.0, 1.0]))
        assert bool(output.isfinite().all()), (trained, path)
