"""A training killed at any moment and started again ends with the bits of one left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import net, train
from zigbench.backbone import build
from zigbench.data.builtin.digits import DigitsConfig
from zigbench.data.builtin.loaders.digits import Digits
from zigbench.interpolant import Interpolant
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.training import fit
from zigbench.training.shelf import CheckpointManager

ROOT = Path(__file__).parents[2]


def final(folder: Path) -> dict[str, bytes]:
    """Everything of a finished training that must not depend on how it came about."""
    newest = max((folder / "checkpoints").iterdir())
    files = {name: (newest / name).read_bytes() for name in ("weights.safetensors", "average.safetensors")}
    return {"step": newest.name.encode(), "log": (folder / "log.jsonl").read_bytes(), **files}


def test_twenty_kills_at_random_moments_leave_no_trace(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path), "20", "0"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5, "the kills came too late to test anything"
    assert final(tmp_path / "killed") == final(tmp_path / "alone")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "checkpoints",
        "log.jsonl",
        "telemetry.jsonl",
    ]


class Stop(Exception):  # noqa: N818 - an interruption, not an error
    """Stands for whatever ends a process."""


def stop_at(step: int):
    def on_step(done: int, loss: float, rate: float) -> None:
        if done == step:
            raise Stop

    return on_step


@pytest.mark.parametrize("step", [1, 4, 5, 19, 20])
@pytest.mark.parametrize("changes", [{}, {"precision": "float16"}, {"ema_std": 0.1, "accumulate": 2}])
def test_any_step_can_be_the_last_of_a_life(tmp_path, step, changes):
    train(tmp_path / "alone", net(dropout=0.2), checkpoint_every=4, **changes)
    with pytest.raises(Stop):
        train(tmp_path / "cut", net(dropout=0.2), checkpoint_every=4, on_step=stop_at(step), **changes)
    # A second life starts from a network of another initialisation: the checkpoint alone decides.
    trained = train(
        tmp_path / "cut", net(seed=9, dropout=0.2) if step > 4 else net(dropout=0.2), checkpoint_every=4, **changes
    )
    assert trained.images_seen == 160
    assert final(tmp_path / "cut") == final(tmp_path / "alone")


def test_a_torn_newest_checkpoint_costs_steps_not_exactness(tmp_path):
    train(tmp_path / "alone", checkpoint_every=4)
    with pytest.raises(Stop):
        train(tmp_path / "torn", checkpoint_every=4, on_step=stop_at(14))
    (tmp_path / "torn" / "checkpoints" / "000000012" / "average.safetensors").write_bytes(b"")
    told: list[int] = []
    train(tmp_path / "torn", checkpoint_every=4, on_step=lambda step, loss, rate: told.append(step))
    assert told[0] == 9
    assert final(tmp_path / "torn") == final(tmp_path / "alone")


def test_a_torn_last_checkpoint_is_written_again(tmp_path):
    train(tmp_path / "alone", checkpoint_every=8)
    train(tmp_path / "torn", checkpoint_every=8)
    (tmp_path / "torn" / "checkpoints" / "000000020" / "average.safetensors").write_bytes(b"cut")
    told: list[int] = []
    train(tmp_path / "torn", checkpoint_every=8, on_step=lambda step, loss, rate: told.append(step))
    assert told == [17, 18, 19, 20]
    newest = CheckpointManager(tmp_path / "torn" / "checkpoints").newest()
    assert newest is not None
    assert newest.step == 20
    assert final(tmp_path / "torn") == final(tmp_path / "alone")


def test_a_scanning_network_resumes_exactly(tmp_path):
    config = DigitsConfig()
    split = Digits(config).split("train")

    def life(folder: Path, on_step=None) -> None:
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

    life(tmp_path / "alone")
    with pytest.raises(Stop):
        life(tmp_path / "cut", stop_at(3))
    life(tmp_path / "cut")
    assert final(tmp_path / "cut") == final(tmp_path / "alone")
