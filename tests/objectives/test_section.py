"""The section of a run that names its objective: at its default nothing moves, and impossible ones are faults."""

from __future__ import annotations

import pytest
import torch

from tests.training.conftest import net, small_split
from zigbench.interpolant import Interpolant
from zigbench.objectives.config import InterpolantConfig
from zigbench.objectives.interpolant import InterpolantObjective
from zigbench.spec import RunSpec
from zigbench.spec.errors import SpecError

RUN = {"backbone.name": "dit", "data.name": "digits"}


def test_a_run_that_names_the_default_is_the_run_that_names_none():
    plain, named = RunSpec.parse(RUN), RunSpec.parse({**RUN, "objective.name": "interpolant"})
    assert plain == named
    assert plain.id == named.id
    assert "objective" not in named.resolved()
    assert type(plain.objective_config) is InterpolantConfig


def test_an_unknown_objective_is_a_fault_with_a_suggestion():
    with pytest.raises(SpecError, match="did you mean 'interpolant'"):
        RunSpec.parse({**RUN, "objective.name": "interpolent"})


def test_the_default_is_the_interpolants_loss():
    interpolant, split = Interpolant("gvp", "noise"), small_split(6)
    generator = torch.Generator().manual_seed(0)
    data = split.batch(range(6))
    noise, t = interpolant.draw(data.x, generator)

    class Part:
        x, end, label, context = data.x, None, data.label, None

    part, model = Part(), net()
    part.noise, part.t = noise, t
    objective = InterpolantObjective(InterpolantConfig(), interpolant)
    assert objective.times(t, generator) == (t, None)
    assert objective.facts == {}
    loss = objective.loss(model, part, network=model, average=model, step=0, steps=1)
    assert torch.equal(loss, interpolant.loss(model, data.x, noise=noise, t=t, label=data.label))
