"""Laws of a run's spec: its identity, its faults, its independence of torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.spec import Geometry, RunSpec, Spec, spec_id
from zigbench.spec.errors import SpecError
from zigbench.spec.overrides import merge, nest
from zigbench.spec.run import Sections

CHANGES = {
    "seed": st.integers(0, 5),
    "scan.curve": st.sampled_from(["zigzag", "hilbert", "sweep"]),
    "scan.schemes": st.integers(1, 8),
    "position": st.sampled_from(["none", "sincos", "learned"]),
    "optimizer.lr": st.floats(1e-5, 1e-2),
    "training.steps": st.integers(1, 100),
    "backbone.patch": st.sampled_from([1, 2, 4, 8]),
    "backbone.config.depth": st.integers(1, 6),
}
BASE = {"backbone.name": "zigma", "data.name": "digits"}


@given(st.fixed_dictionaries({}, optional=CHANGES))
def test_a_json_round_trip_keeps_spec_and_id(changes):
    spec = RunSpec.parse({**BASE, **changes})
    again = RunSpec.parse(json.loads(json.dumps(spec.resolved())))
    assert again == spec
    assert again.id == spec.id


@given(st.fixed_dictionaries({}, optional=CHANGES), st.fixed_dictionaries({}, optional=CHANGES))
def test_ids_are_equal_exactly_when_resolved_specs_are(one, other):
    a, b = RunSpec.parse({**BASE, **one}), RunSpec.parse({**BASE, **other})
    assert (a.id == b.id) == (a.resolved() == b.resolved())


@given(st.lists(st.fixed_dictionaries({}, optional=CHANGES), min_size=2, max_size=4))
def test_runs_that_share_sections_are_those_that_are_read_one_by_one(several):
    sections = Sections()
    for raw in (merge(nest(BASE), changes) for changes in several):
        shared, alone = sections.parse(raw), RunSpec.parse(raw)
        assert shared == alone
        assert shared.id == spec_id(alone.resolved())


def test_a_fault_beside_shared_sections_is_named_as_in_a_run_by_itself():
    sections = Sections()
    sections.parse(nest(BASE))
    with pytest.raises(SpecError, match=r"optimizer\.lr"):
        sections.parse(nest({**BASE, "optimizer.lr": "high"}))
    with pytest.raises(SpecError, match=r"efficiency.*belongs to the task"):
        sections.parse(nest({**BASE, "efficiency.batch": 1}))


def test_a_default_said_aloud_is_the_same_run():
    spec = RunSpec.parse(BASE)
    assert RunSpec.parse({**BASE, "seed": 0, "scan.curve": spec.scan.curve}).id == spec.id


@pytest.mark.parametrize(
    "change",
    [{"training.log_every": 3}, {"training.checkpoint_seconds": 5.0}, {"training.activation_checkpointing": True}],
)
def test_how_a_run_is_computed_or_watched_is_outside_its_identity(change):
    spec = RunSpec.parse(BASE)
    assert spec.override(change) != spec
    assert spec.override(change).id == spec.id == spec_id(spec.override(change).resolved())


def test_the_backbones_own_defaults_are_part_of_the_identity():
    assert "depth" in RunSpec.parse(BASE).resolved()["backbone"]["config"]


def test_what_a_backbone_does_not_have_is_absent():
    resolved = RunSpec.parse({"backbone.name": "dit", "data.name": "digits"}).resolved()
    assert "scan" not in resolved


def faults(**changes: object) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        RunSpec.parse({**BASE, **{key.replace("__", "."): value for key, value in changes.items()}})
    return {fault.path: str(fault) for fault in caught.value.faults}


def test_all_faults_are_listed_at_once_with_path_value_and_suggestion():
    found = faults(
        trainng={"steps": 3}, training__steps=-1, backbone__config__widht=3, scan__curv="x", optimizer__lr="fast"
    )
    assert set(found) == {"trainng", "training.steps", "backbone.config.widht", "scan.curv", "optimizer.lr"}
    assert "did you mean 'training'?" in found["trainng"]
    assert "did you mean 'width'?" in found["backbone.config.widht"]
    assert "did you mean 'curve'?" in found["scan.curv"]
    assert "-1" in found["training.steps"]


def test_faults_between_parts_are_listed_beside_those_of_other_parts_and_each_once():
    assert set(faults(backbone__patch=3, training__steps=0)) == {"backbone.patch", "training.steps"}
    found = faults(sampler__guidance_channels=2, evaluation__samples=0, seed=-1)
    assert set(found) == {"sampler.guidance_channels", "evaluation.samples", "seed"}
    with pytest.raises(SpecError, match="the spec has a fault:") as caught:
        RunSpec.parse({**BASE, "scan.curve": "hilbrt"})
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.name": "photographs", "sampler.guidance": 2}, "neither classes nor text"),
        ({"data.name": "photographs", "sampler.guidance": 0}, "neither classes nor text"),
        ({"sampler.guidance": 2, "backbone.config.label_dropout": 0}, "label_dropout is 0"),
        ({"sampler.guidance_channels": 2}, "the data's channels are 1"),
        ({"sampler.guidance_interval": [0.8, 0.2]}, "first time lies after its last"),
    ],
)
def test_guidance_that_is_impossible_is_a_fault_before_anything_is_trained(changes, words):
    with pytest.raises(SpecError, match=words):
        RunSpec.parse({**BASE, **changes})
    RunSpec.parse({**BASE, "sampler.guidance": 2, "sampler.guidance_channels": 1})


@pytest.mark.parametrize(
    "sampler",
    [{"solver": name} for name in ("euler-maruyama", "stochastic-heun", "ddpm", "predictor-corrector")]
    + [{"solver": "ddim", "eta": 0.5}],
)
def test_a_solver_that_needs_the_score_is_a_fault_where_the_velocity_does_not_determine_it(sampler):
    coupled = {**BASE, "interpolant.coupling": "optimal-transport"}
    with pytest.raises(SpecError, match="a velocity determines for independent noise"):
        RunSpec.parse({**coupled, "sampler": sampler})
    RunSpec.parse({**BASE, "sampler": sampler})
    RunSpec.parse({**coupled, "sampler": {"solver": "ddim"}})


def test_a_curve_of_clips_may_have_parameters():
    clips = {"backbone.name": "zigma-video", "backbone.config.pattern": "joint", "data.name": "moving-digits"}
    spec = RunSpec.parse({**clips, "scan.curve": "product[temporal=zigzag,spatial=hilbert]"})
    assert spec.scan.curve == "product[spatial=hilbert]"
    with pytest.raises(SpecError, match="did you mean 'temporal'"):
        RunSpec.parse({**clips, "scan.curve": "product[temporl=zigzag]"})


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"backbone__name": "zigme"}, "backbone.name", "did you mean 'zigma'?"),
        ({"data__name": "digit"}, "data.name", "did you mean 'digits'?"),
        ({"scan__curve": "hilbrt"}, "scan.curve", "did you mean 'hilbert'?"),
        ({"backbone__config__depth": -2}, "backbone.config.depth", "-2"),
        ({"backbone__patch": 3}, "backbone.patch", "patches that do: 1, 2, 4, 8"),
        ({"backbone__config__curve": "sweep"}, "backbone.config.curve", "is stated as scan.curve"),
        ({"position": "nowhere"}, "position", "learned"),
        ({"sampler__solver": "huen"}, "sampler.solver", "did you mean 'heun'?"),
        ({"seed": -1}, "seed", "-1"),
    ],
)
def test_each_fault_says_where_and_what_is_allowed(changes, path, words):
    found = faults(**changes)
    assert path in found
    assert words in found[path]


def test_a_scan_order_for_a_transformer_is_a_fault():
    with pytest.raises(SpecError, match=r"scan.curve = 'zigzag': has no meaning for the backbone 'dit'"):
        RunSpec.parse({"backbone.name": "dit", "data.name": "digits", "scan.curve": "zigzag"})


def test_override_reaches_inside_and_changes_the_id():
    spec = RunSpec.parse(BASE)
    changed = spec.override({"scan.curve": "hilbert"})
    assert changed.scan.curve == "hilbert"
    assert changed.id != spec.id
    assert changed.override({"scan.curve": spec.scan.curve}) == spec


def test_specs_are_frozen():
    spec = RunSpec.parse(BASE)
    with pytest.raises(ValueError, match="frozen"):
        spec.seed = 3


@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.none() | st.integers(1, 4))
def test_geometry_counts_its_tokens(channels, height, width, patch, frames):
    if height % patch or width % patch:
        with pytest.raises(ValueError, match=f"patch {patch} does not divide {height}×{width}"):
            Geometry(channels, height, width, patch, frames=frames)
        return
    shape = Geometry(channels, height, width, patch, frames=frames)
    pixels = channels * height * width * (frames or 1)
    assert shape.tokens * channels * patch**2 == pixels
    assert patch in shape.patches()


def test_every_part_of_a_spec_is_strict():
    parts = [Spec]
    for part in parts:
        parts += part.__subclasses__()
        assert part.model_config["extra"] == "forbid"
        assert part.model_config["frozen"]


def test_planning_never_imports_torch():
    code = (
        "import sys\n"
        "from zigbench import cli, launch, report, suite\n"
        "from zigbench.cli import logs, render\n"
        "from zigbench.records import collect, folder\n"
        "cells = list(suite.expand(suite.load('quickstart')))\n"
        "collect.frame('nowhere')\n"
        "assert len(cells) >= 12, len(cells)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_options_of_paths_and_times_are_those_their_members_have():
    from dataclasses import fields

    from zigbench.interpolant import Interpolant
    from zigbench.interpolant.path import MEMBERS
    from zigbench.spec.sections.interpolant import PATHS, TIMES

    assert {name: tuple(field.name for field in fields(member)) for name, member in MEMBERS.items()} == PATHS
    for name, options in TIMES.items():
        time = Interpolant(time=name).time
        assert options == tuple(field.name for field in fields(time))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interpolant__degree": 3.0}, "degree has no meaning for path 'linear'"),
        ({"interpolant__time": "mode", "interpolant__std": 2.0}, "std has no meaning for time 'mode'"),
        ({"sampler__diffusion": "sigma"}, "diffusion has no meaning for solver 'euler'"),
        ({"sampler__solver": "heun", "sampler__rtol": 0.1}, "it is for dopri5"),
    ],
)
def test_an_option_that_its_member_lacks_is_a_fault(changes, words):
    assert words in " ".join(faults(**changes).values())


def test_what_is_timed_belongs_to_its_task_and_leaves_other_runs_as_they_were(tiny):
    train = RunSpec.parse(tiny)
    timed = RunSpec.parse({**tiny, "task": "efficiency"})
    assert "efficiency" not in train.resolved()
    assert timed.resolved()["efficiency"]["mode"] == "inference"
    assert RunSpec.parse(timed.resolved()).id == timed.id
    assert RunSpec.parse({**tiny, "task": "efficiency", "efficiency.mode": "inference"}).id == timed.id
    assert RunSpec.parse({**tiny, "task": "efficiency", "efficiency.batch": 2}).id != timed.id
    with pytest.raises(SpecError, match="belongs to the task 'efficiency'"):
        RunSpec.parse({**tiny, "efficiency.batch": 2})
    with pytest.raises(SpecError, match=r"efficiency\.bach = 2: unknown key; did you mean 'batch'"):
        RunSpec.parse({**tiny, "task": "efficiency", "efficiency.bach": 2})


def test_a_recorded_spec_read_again_has_the_id_that_it_was_recorded_under():
    packs = sorted((Path(__file__).parents[2] / "results" / "measured").glob("*/*/records.jsonl"))
    records = [json.loads(line) for pack in packs for line in pack.read_text().splitlines()[::5]]
    assert records
    assert {r["id"]: RunSpec.parse(r["spec"]).id for r in records} == {r["id"]: r["id"] for r in records}
