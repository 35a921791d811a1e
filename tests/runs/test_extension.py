"""Laws of longer trainings: one that goes on from a shorter one ends with the bits of one that did all steps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zigbench.launch import launch_local, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.runs.extension import take_over
from zigbench.spec import Resources, RunSpec
from zigbench.spec.errors import SpecError
from zigbench.suite import Cell

CONSTANT = {
    "optimizer.schedule": "constant",
    "optimizer.warmup": 3,
    "evaluation.metrics": ["held_out_loss", "frechet_random"],
    "evaluation.held_out": 64,
    "evaluation.samples": 40,
    "evaluation.batch": 40,
    "evaluation.preview": 4,
    "training.steps": 12,
    "training.ema": 0.9,
}
ALONG = {"evaluation.at": [2, 6, 9]}


@pytest.fixture(scope="module")
def keys() -> dict[str, object]:
    from tests.conftest import TINY

    return {**TINY, **CONSTANT}


def launch(root: Path, *specs: RunSpec) -> list[RunFolder]:
    cells = [Cell({"run": str(i)}, spec, Resources(cpus=1, memory_gb=1.0)) for i, spec in enumerate(specs)]
    list(launch_local(plan(cells, root), None, root, workers=1))
    return [RunFolder.of(spec, root) for spec in specs]


@pytest.fixture(scope="module")
def shorter(keys, tmp_path_factory) -> RunFolder:
    """A training of half the steps, done."""
    root = tmp_path_factory.mktemp("extended") / "runs"
    (folder,) = launch(root, RunSpec.parse({**keys, "training.steps": 6, "evaluation.at": [2]}))
    return folder


def test_it_ends_with_the_bits_of_a_training_of_all_steps(keys, shorter, tmp_path) -> None:
    whole = RunSpec.parse({**keys, **ALONG})
    extended = whole.override({"training.extends": f"run:{shorter.id}"})
    assert extended.id == whole.id, "it says how the run is computed, not what it is"
    assert extended.needs == (shorter.id,)
    (there,) = launch(shorter.path.parent, extended)
    (here,) = launch(tmp_path / "runs", whole)
    of_there, of_here = (Record.read(folder.record) for folder in (there, here))
    assert of_there.status == "ok", of_there.error
    assert of_there.measurements == of_here.measurements
    for name in ("weights.safetensors", "average.safetensors"):
        files = [folder.path / "checkpoints" / f"{12:09d}" / name for folder in (there, here)]
        assert files[0].read_bytes() == files[1].read_bytes()
    for step in (2, 6, 9):
        samples = [folder.path / f"samples-{step}.npy" for folder in (there, here)]
        assert samples[0].read_bytes() == samples[1].read_bytes()
    # It did the second half alone: its telemetry counts both parts, and its log goes on from the other's.
    assert there.log.read_text().startswith(shorter.log.read_text())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": 1}, "is not a shorter training of this run: seed is 1, there 0"),
        ({"scan.curve": "hilbert"}, "scan.curve is hilbert, there zigzag"),
        ({"training.steps": 6}, "has 6 of the 6 steps; it may have 5 at most"),
        ({"evaluation.at": [2, 4]}, "has not measured step 4"),
        ({"evaluation.at": [2], "sampler.steps": 3}, "differs in sampler.steps"),
    ],
)
def test_another_run_is_not_extended(keys, shorter, tmp_path, changes, problem) -> None:
    spec = RunSpec.parse({**keys, "training.extends": f"run:{shorter.id}", **changes})
    with pytest.raises(ValueError, match=re.escape(problem)):
        take_over(spec, RunFolder.of(spec, tmp_path), shorter)
    assert not RunFolder.of(spec, tmp_path).path.exists()


def test_a_schedule_that_depends_on_the_number_of_steps_is_refused(keys) -> None:
    with pytest.raises(SpecError, match=re.escape("set optimizer.schedule to constant")):
        RunSpec.parse({**keys, "optimizer.schedule": "cosine", "training.extends": "run:" + "0" * 16})
