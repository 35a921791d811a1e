"""The averaged weights against their definitions."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zigbench.spec import TrainingSpec
from zigbench.training.ema import EMA, power_exponent


def averaged(spec: TrainingSpec, iterates: np.ndarray) -> float:
    layer = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.fill_(1e6)  # An initialisation that would show if it had a part in the average.
        ema = EMA(layer, copy.deepcopy(layer), spec)
        for count, value in enumerate(iterates, 1):
            layer.weight.fill_(value)
            ema.update(count)
    return float(ema.model.weight)


ITERATES = st.lists(st.floats(-10, 10), min_size=1, max_size=40).map(np.array)


@given(ITERATES, st.floats(0, 0.9999))
def test_the_exponential_average_is_the_weighted_mean_of_the_iterates_alone(iterates, decay):
    weights = decay ** np.arange(len(iterates))[::-1]
    expected = float(weights @ iterates / weights.sum())
    assert averaged(TrainingSpec(ema=decay), iterates) == pytest.approx(expected, abs=1e-7)


@given(ITERATES, st.floats(0.03, 0.27))
def test_the_power_average_weights_iterates_by_their_share_of_the_profile(iterates, std):
    exponent = power_exponent(std)
    edges = (np.arange(len(iterates) + 1) / len(iterates)) ** (exponent + 1)
    assert averaged(TrainingSpec(ema_std=std), iterates) == pytest.approx(float(np.diff(edges) @ iterates), abs=1e-7)


@given(st.floats(0.02, 0.28))
def test_the_exponent_gives_the_relative_width(std):
    exponent = power_exponent(std)
    # Of the density (γ + 1) τ^γ on [0, 1]: E τ = (γ + 1)/(γ + 2), E τ² = (γ + 1)/(γ + 3).
    mean, square = (exponent + 1) / (exponent + 2), (exponent + 1) / (exponent + 3)
    assert np.sqrt(square - mean**2) == pytest.approx(std, rel=1e-6)


def test_buffers_are_copied_not_averaged():
    layer = nn.BatchNorm1d(2)
    ema = EMA(layer, copy.deepcopy(layer), TrainingSpec())
    layer.running_mean.fill_(3.0)
    ema.gather()
    assert ema.model.running_mean.tolist() == [3.0, 3.0]
    assert not ema.model.training
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
