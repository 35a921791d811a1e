"""An error of the network is not multiplied: samples move by about as much as the output was wrong."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.sampling import sample

ERROR = 0.02
NOISE = torch.randn(64, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("path", "prediction"), list(product(PATHS, PREDICTIONS)))
def test_a_small_error_stays_small(path: str, prediction: str, mixture: GaussianMixture):
    interpolant = Interpolant(path, prediction)
    perfect = mixture.model(interpolant)

    def wrong(x, t, *, label=None, context=None):
        output = perfect(x, t)
        # What a network of outputs near 1 would get wrong, in units of what it predicts.
        unit = output.square().mean().sqrt().clamp(min=1.0)
        return output + ERROR * unit * torch.cos(7 * x + 3)

    for solver in ("euler", "heun", "rk4", "ddim", "dpm-solver-2", "dpm-solver++-2", "stochastic-heun", "ddpm"):
        options = {"solver": solver, "steps": 25, "generator": range(len(NOISE))}
        exact = sample(perfect, interpolant, NOISE, **options)
        x = sample(wrong, interpolant, NOISE, **options)
        moved = float((x - exact).abs().mean())
        # A score of VE is of the order of 100 where its unit is.
        assert moved < ERROR * (25 if path == "ve" else 6), solver
