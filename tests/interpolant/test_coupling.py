"""Minibatch optimal transport: the least cost, the same noise."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zigbench.interpolant import Interpolant


def cost(data: torch.Tensor, noise: torch.Tensor) -> float:
    return float((data - noise).double().square().flatten(1).sum(1).mean())


def batch(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(count, 2, 2, 1, generator=generator) * 0.5 + 1
    independent, t = Interpolant().draw(data, torch.Generator().manual_seed(seed + 1))
    coupled, same_t = Interpolant(coupling="optimal-transport").draw(data, torch.Generator().manual_seed(seed + 1))
    assert torch.equal(t, same_t)
    return data, independent, coupled


@given(seed=st.integers(0, 10_000), count=st.integers(1, 24))
def test_the_noise_is_permuted_and_the_cost_not_higher(seed: int, count: int):
    data, independent, coupled = batch(count, seed)
    rows = sorted(map(tuple, independent.flatten(1).tolist()))
    assert rows == sorted(map(tuple, coupled.flatten(1).tolist()))
    assert cost(data, coupled) <= cost(data, independent) + 1e-6


def test_the_cost_is_the_least_of_all_permutations():
    data, independent, coupled = batch(6, 3)
    least = min(cost(data, independent[list(order)]) for order in permutations(range(6)))
    assert cost(data, coupled) == pytest.approx(least, rel=1e-6)


def test_the_cost_falls_clearly_on_a_batch():
    data, independent, coupled = batch(256, 0)
    assert cost(data, coupled) < 0.7 * cost(data, independent)


def test_in_one_dimension_the_coupling_sorts():
    data = torch.randn(64, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    noise, _ = Interpolant(coupling="optimal-transport").draw(data, torch.Generator().manual_seed(1))
    assert torch.equal(noise.flatten()[data.flatten().argsort()], noise.flatten().sort().values)


def test_both_marginals_are_left_alone():
    data = torch.randn(600, 1, 1, 1, generator=torch.Generator().manual_seed(5)) - 2
    before = data.clone()
    noise, _ = Interpolant(coupling="optimal-transport").draw(data, torch.Generator().manual_seed(6))
    assert torch.equal(data, before)
    assert stats.kstest(noise.flatten().double().numpy(), "norm").pvalue > 1e-3
