"""Laws of score matching over discrete levels."""

from __future__ import annotations

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from tests.support.one_gaussian import drawn
from zigbench.interpolant import Interpolant
from zigbench.objectives.config import DenoisingScoreConfig
from zigbench.objectives.denoising_score import DenoisingScore
from zigbench.spec import RunSpec
from zigbench.spec.errors import SpecError

RUN = {
    "backbone.name": "dit",
    "data.name": "digits",
    "objective.name": "denoising-score",
    "interpolant.path": "ve",
    "interpolant.prediction": "score",
}


def test_times_are_the_levels_of_the_sampler() -> None:
    objective = DenoisingScore(DenoisingScoreConfig(levels=5), Interpolant("ve", "score"))
    t, end = objective.times(torch.tensor([0.0, 0.19, 0.2, 0.99, 1.0]), torch.Generator())
    assert end is None
    torch.testing.assert_close(t, torch.tensor([0.2, 0.2, 0.4, 1.0, 1.0]))
    assert objective.facts["objective"]["levels"] == 5


def test_the_loss_is_least_at_the_score() -> None:
    """E ‖σ s + ε‖² is the variance of ε given x at the true score, and more by σ² c² at one that is off by c."""
    interpolant, part = Interpolant("ve", "score", sigma_max=2.0), drawn(100_000)
    objective = DenoisingScore(DenoisingScoreConfig(levels=1), interpolant)
    part.t, _ = objective.times(part.t, torch.Generator())
    exact = GaussianMixture.single(torch.full((1, 1, 1), 0.7, dtype=torch.float64), 0.4).model(interpolant)

    def mean(off: float) -> float:
        def network(x, t, **conditions):
            return exact(x, t) + off

        return float(objective.loss(network, part, network=network, average=network, step=0, steps=1).mean())

    sigma = float(interpolant.state(1.0).sigma)
    assert mean(0.0) == pytest.approx(0.4**2 / (0.4**2 + sigma**2), rel=0.02)
    assert mean(3.0) - mean(0.0) == pytest.approx((3 * sigma) ** 2, rel=0.5)


def test_it_is_a_score_on_exploding_noise() -> None:
    assert RunSpec.parse({**RUN, "sampler.solver": "annealed-langevin"}).objective_config.levels == 10
    for key, value in (("path", "linear"), ("prediction", "noise")):
        with pytest.raises(SpecError, match="'denoising-score' is not defined for it"):
            RunSpec.parse({**RUN, f"interpolant.{key}": value})
