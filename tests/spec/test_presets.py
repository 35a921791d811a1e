"""Presets: what they set is set, part of the id, and contradicted by nothing; without one nothing moves."""

from __future__ import annotations

import pytest

from zigbench.spec import RunSpec, registry
from zigbench.spec.errors import SpecError
from zigbench.spec.overrides import flatten
from zigbench.spec.presets import PRESETS
from zigbench.suite import Axis, Suite, expand


@pytest.fixture
def labelled(tiny) -> dict:
    """Settings of a run whose data have classes, which name nothing that a preset sets."""
    kept = {key: value for key, value in tiny.items() if key.partition(".")[0] not in ("evaluation", "sampler")}
    return {**kept, "evaluation.reference": "statistics.npz"}


def settings(labelled: dict, name: str) -> dict:
    reference = {} if PRESETS[name].statistics else {"evaluation.reference": "train"}
    return {**labelled, **reference, "evaluation.preset": name}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_its_keys_and_is_part_of_the_id(labelled, name) -> None:
    spec = RunSpec.parse(settings(labelled, name))
    flat = flatten(spec.resolved())
    assert {key: flat[key] for key in PRESETS[name].keys} == dict(PRESETS[name].keys)
    plain = RunSpec.parse({**settings(labelled, name), **PRESETS[name].keys, "evaluation.preset": None})
    assert plain.id != spec.id
    assert "preset" not in plain.resolved()["evaluation"]
    assert RunSpec.parse(spec.resolved()) == spec
    assert set(PRESETS[name].metrics) <= set(registry.metrics.names())


def test_a_key_that_says_something_else_is_a_fault(labelled) -> None:
    with pytest.raises(SpecError, match=r"sampler\.steps = 50: evaluation\.preset=adm-50k sets 250"):
        RunSpec.parse({**settings(labelled, "adm-50k"), "sampler.steps": 50})
    with pytest.raises(SpecError, match="compares with a file of statistics"):
        RunSpec.parse({**settings(labelled, "sit-250-sde"), "evaluation.reference": "train"})
    with pytest.raises(SpecError, match=r"evaluation\.preset = 'adm'"):
        RunSpec.parse({**labelled, "evaluation.preset": "adm"})


def test_an_override_brings_the_keys_of_its_preset(labelled) -> None:
    spec = RunSpec.parse({**labelled, "sampler.steps": 7})
    other = spec.override({"evaluation.preset": "adm-50k"})
    assert (other.sampler.steps, other.sampler.solver, other.evaluation.samples) == (250, "ddpm", 50_000)
    with pytest.raises(SpecError, match="sets 250"):
        other.override({"sampler.steps": 7})


def test_arms_with_and_without_a_preset_share_no_section(labelled) -> None:
    """The sections of runs that share most of theirs are parsed once."""
    base = {**labelled, "sampler": {}}
    arms = Axis("arm", {"own": {}, "adm": {"evaluation.preset": "adm-50k"}, "own again": {"seed": 1}})
    cells = list(expand(Suite(name="presets", question="Which?", base=base, axes=(arms,))))
    assert [cell.spec.sampler.solver for cell in cells] == ["euler", "ddpm", "euler"]


def test_labels_are_balanced_unless_stated_and_need_classes(labelled) -> None:
    spec = RunSpec.parse(labelled)
    assert "labels" not in spec.resolved()["evaluation"]
    assert RunSpec.parse({**labelled, "evaluation.labels": "balanced"}).id == spec.id
    assert RunSpec.parse({**labelled, "evaluation.labels": "uniform"}).id != spec.id
    with pytest.raises(SpecError, match=r"evaluation\.labels = 'uniform': the data have no classes"):
        RunSpec.parse({**labelled, "data.name": "photographs", "evaluation.labels": "uniform"})
