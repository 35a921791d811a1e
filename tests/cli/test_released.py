"""A suite on released weights: planned without the files, done once each is imported."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from safetensors.torch import save_file

from backbones.pretrained.checkpoint import export
from tests.support.processes import zigbench
from zigbench.backbone import Geometry, build
from zigbench.records.imported import imported, note_import
from zigbench.spec import EvaluationRun, registry
from zigbench.suite import expand, load

SUITE = """
from zigbench.suite import Axis, ReleasedFile, Suite, grid

suite = Suite(
    name="mine",
    question="Mine?",
    base={
        "task": "evaluate",
        "data.name": "digits",
        "backbone": {"name": "zigma", "patch": 1, "config": {"width": 16, "depth": 2}},
        "position": "learned",
        "evaluation.metrics": ["held_out_loss"],
        "evaluation.held_out": 32,
        "evaluation.preview": 0,
    },
    axes=(Axis("arm", {"a": {"weights": "stand_in.safetensors"}}), grid("seed", (0,))),
    files={"stand_in.safetensors": ReleasedFile("zigma", "nowhere", "--set backbone.config.width=16 "
                                                "--set backbone.config.depth=2")},
)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(SUITE)
    network = build("zigma", Geometry(1, 8, 8, 1, classes=10), seed=3, width=16, depth=2, position="learned")
    save_file(export(network, "zigma"), tmp_path / "stand_in.safetensors")
    return tmp_path


def test_a_file_that_is_not_imported_is_named_with_the_command_after_which_the_suite_runs(folder):
    planned = zigbench("plan", "mine.py", cwd=folder).stdout
    advice = "stand_in.safetensors is not imported. To be downloaded by hand from nowhere. Then: zigbench import"
    assert advice in planned
    for command in (["run", "mine.py"], ["launch", "mine.py", "--on", "local", "--dry-run"]):
        refused = zigbench(*command, cwd=folder)
        assert refused.returncode == 2
        assert "is not imported" in refused.stderr
    command = shlex.split(re.search(r"Then: zigbench (import .*)", planned)[1])
    assert zigbench(*command, cwd=folder).returncode == 0
    assert "not imported" not in zigbench("plan", "mine.py", cwd=folder).stdout
    done = zigbench("run", "mine.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    (digest,) = imported(folder / "results").values()
    records = [json.loads(path.read_text()) for path in (folder / "results/runs").glob("*/record.json")]
    assert [(record["status"], record["spec"]["weights"]) for record in records] == [("ok", digest)]


def test_imports_are_listed_by_file_and_a_damaged_list_is_named(tmp_path):
    (tmp_path / "weights").mkdir()
    assert imported(tmp_path) == {}
    note_import(tmp_path, "a.pt", "0" * 64)
    note_import(tmp_path, "b.pt", "1" * 64)
    note_import(tmp_path, "a.pt", "2" * 64)
    assert imported(tmp_path) == {"a.pt": "2" * 64, "b.pt": "1" * 64}
    (tmp_path / "weights/imported.json").write_text("[]")
    with pytest.raises(ValueError, match=r"imported\.json can't be read"):
        imported(tmp_path)


def test_every_released_file_has_an_arm_a_release_and_a_place_to_be_downloaded_from():
    suite = load("released")
    cells = list(expand(suite))
    assert [cell.spec.weights for cell in cells] == list(suite.files)
    assert {file.release for file in suite.files.values()} <= set(registry.releases.names())
    digests = {file: f"{i:064x}" for i, file in enumerate(suite.files)}
    resolved = [cell.spec for cell in expand(suite.with_weights(digests))]
    assert [spec.weights for spec in resolved] == list(digests.values())
    assert all(isinstance(spec, EvaluationRun) for spec in resolved)
    for cell in cells:
        assert f"--data {cell.spec.data.name} --patch" in suite.files[cell.spec.weights].advice("x.pt", cell.spec)
