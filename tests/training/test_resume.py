"""A training killed at any moment and started again ends with the bits of one left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.conftest import net, train
from zigbench.backbone import build
from zigbench.data.builtin.digits import DigitsConfig
from zigbench.data.builtin.loaders.digits import Digits
from zigbench.interpolant import Interpolant
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.spec.files import file_sha256, sha256
from zigbench.training import fit
from zigbench.training.checkpoints import MANIFEST, CheckpointManager

ROOT = Path(__file__).parents[2]


def final(folder: Path) -> dict[str, bytes]:
    """Return all of a finished training that must not depend on interruptions."""
    newest = max((folder / "checkpoints").iterdir())
    files = {name: (newest / name).read_bytes() for name in ("weights.safetensors", "average.safetensors")}
    return {"step": newest.name.encode(), "log": (folder / "log.jsonl").read_bytes(), **files}


def test_twenty_kills_at_random_moments_leave_no_trace(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("kill_trainings.py")), str(tmp_path), "20", "0"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert final(tmp_path / "killed") == final(tmp_path / "alone")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "checkpoints",
        "log.jsonl",
        "telemetry.jsonl",
    ]


class Stop(Exception):  # noqa: N818 - an interruption, not an error
    """The end of a process, for whatever reason."""


def stop_at(step: int):
    def on_step(done: int, loss: float, rate: float) -> None:
        if done == step:
            raise Stop

    return on_step


@pytest.mark.parametrize("step", [1, 4, 5, 19, 20])
@pytest.mark.parametrize("changes", [{}, {"precision": "float16"}, {"ema_std": 0.1, "accumulate": 2}])
def test_any_step_can_be_the_last_before_an_interruption(tmp_path, step, changes):
    train(tmp_path / "alone", net(dropout=0.2), checkpoint_every=4, **changes)
    with pytest.raises(Stop):
        train(tmp_path / "cut", net(dropout=0.2), checkpoint_every=4, on_step=stop_at(step), **changes)
    # It resumes with a network of another initialisation: the checkpoint alone decides.
    result = train(
        tmp_path / "cut", net(seed=9, dropout=0.2) if step > 4 else net(dropout=0.2), checkpoint_every=4, **changes
    )
    assert result.images_seen == 160
    assert final(tmp_path / "cut") == final(tmp_path / "alone")


def test_a_torn_newest_checkpoint_costs_steps_not_exactness(tmp_path):
    train(tmp_path / "alone", checkpoint_every=4)
    with pytest.raises(Stop):
        train(tmp_path / "torn", checkpoint_every=4, on_step=stop_at(14))
    (tmp_path / "torn" / "checkpoints" / "000000012" / "average.safetensors").write_bytes(b"")
    steps_done: list[int] = []
    train(tmp_path / "torn", checkpoint_every=4, on_step=lambda step, loss, rate: steps_done.append(step))
    assert steps_done[0] == 9
    assert final(tmp_path / "torn") == final(tmp_path / "alone")


def test_a_checkpoint_of_format_1_is_resumed_exactly(tmp_path):
    """Format 1 had one counter and both moments of each parameter by its number."""
    changes = {"checkpoint_every": 4, "weight_decay": 0.1}
    train(tmp_path / "alone", net(dropout=0.2), **changes)
    with pytest.raises(Stop):
        train(tmp_path / "old", net(dropout=0.2), on_step=stop_at(14), **changes)
    path = CheckpointManager(tmp_path / "old" / "checkpoints").path(12)
    state = torch.load(path / "state.pt", weights_only=True)
    moments = state["optimizer"]["state"]
    state["optimizer"] = {
        "count": moments[0]["step"],
        "moments": {str(number): [m["exp_avg"], m["exp_avg_sq"]] for number, m in moments.items()},
    }
    state["progress"] |= {"rate_factor": 1.0, "rewinds": 0}
    torch.save(state, path / "state.pt")
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["format"] = 1
    manifest["files"]["state.pt"] = file_sha256(path / "state.pt")
    del manifest["checksum"]
    manifest["checksum"] = sha256(json.dumps(manifest, sort_keys=True))
    (path / MANIFEST).write_text(json.dumps(manifest))
    steps_done: list[int] = []
    resumed = net(seed=9, dropout=0.2)
    train(tmp_path / "old", resumed, on_step=lambda step, loss, rate: steps_done.append(step), **changes)
    assert steps_done[0] == 13
    assert final(tmp_path / "old") == final(tmp_path / "alone")


def test_a_torn_last_checkpoint_is_written_again(tmp_path):
    train(tmp_path / "alone", checkpoint_every=8)
    train(tmp_path / "torn", checkpoint_every=8)
    (tmp_path / "torn" / "checkpoints" / "000000020" / "average.safetensors").write_bytes(b"cut")
    steps_done: list[int] = []
    train(tmp_path / "torn", checkpoint_every=8, on_step=lambda step, loss, rate: steps_done.append(step))
    assert steps_done == [17, 18, 19, 20]
    newest = CheckpointManager(tmp_path / "torn" / "checkpoints").newest()
    assert newest is not None
    assert newest.step == 20
    assert final(tmp_path / "torn") == final(tmp_path / "alone")


def test_a_scanning_network_resumes_exactly(tmp_path):
    config = DigitsConfig()
    split = Digits(config).split("train")

    def train_zigma(folder: Path, on_step=None) -> None:
        fit(
            build("zigma", config.geometry(2), seed=0, width=8, depth=2, drop_path=0.3),
            Interpolant(),
            split,
            optimizer=OptimizerSpec(lr=1e-3),
            training=TrainingSpec(steps=6, batch=4, checkpoint_every=2),
            seed=0,
            folder=folder,
            label_dropout=0.1,
            on_step=on_step,
        )

    train_zigma(tmp_path / "alone")
    with pytest.raises(Stop):
        train_zigma(tmp_path / "cut", stop_at(3))
    train_zigma(tmp_path / "cut")
    assert final(tmp_path / "cut") == final(tmp_path / "alone")
