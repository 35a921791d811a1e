"""Distributions with known answers, for all tests of sampling."""

from __future__ import annotations

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture


@pytest.fixture
def mixture() -> GaussianMixture:
    """Two well separated Gaussians of unequal width and weight in the plane, as (1, 1, 2) samples."""
    return GaussianMixture(
        means=torch.tensor([[[[-1.5, 0.5]]], [[[1.0, -0.7]]]], dtype=torch.float64),
        scales=torch.tensor([0.3, 0.5], dtype=torch.float64),
        weights=torch.tensor([0.4, 0.6], dtype=torch.float64),
    )


@pytest.fixture
def gaussian() -> GaussianMixture:
    """One Gaussian, as (1, 2, 2) samples."""
    mean = torch.tensor([[[0.5, -1.0], [0.2, 0.0]]], dtype=torch.float64)
    return GaussianMixture.single(mean, 0.6)
