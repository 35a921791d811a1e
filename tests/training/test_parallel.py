"""Laws of several processes: the loss curve of one, one writer, launchers understood."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.conftest import net, train
from zigbench.training.checkpoints import Checkpoint
from zigbench.training.logging import read_lines
from zigbench.training.parallel import Rendezvous, World, current_world, process_group, read_rendezvous
from zigbench.training.post_hoc_ema import recombine

ROOT = Path(__file__).parents[2]


SHARDED = {
    "distribution": "sharded", "accumulate": 2, "keep_every": 8, "clip": 0.5, "ema_widths": [0.1, 0.2], "ema_every": 5,
}  # fmt: skip

JOBS = {
    "plain": (2, {}),
    "parts": (2, {"accumulate": 2, "precision": "bfloat16"}),
    "coupled": (2, {"coupling": "optimal-transport"}),
    "diverging": (2, {"poisoned": True, "checkpoint_every": 2}),
    "sharded": (2, SHARDED),
    "resumed": (2, {**SHARDED, "from": "sharded"}),
    "sharded-diverging": (2, {"distribution": "sharded", "poisoned": True}),
    "three": (3, {}),
}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> tuple[Path, dict[str, list[str]]]:
    """Do all jobs and return the folder of their folders, and the failures of each one's processes."""
    root = tmp_path_factory.mktemp("together")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    arguments = [(str(root / name), *job) for name, job in JOBS.items()]
    command = [sys.executable, str(Path(__file__).with_name("parallel_jobs.py")), json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return root, dict(zip(JOBS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("job", ["plain", "parts", "coupled", "sharded"])
def test_two_processes_give_the_loss_curve_of_one(jobs, tmp_path, job):
    root, failures = jobs
    assert failures[job] == ["", ""]
    changes = JOBS[job][1]
    alone = train(tmp_path, **changes)
    lines = read_lines(root / job / "log.jsonl")
    assert [line["step"] for line in lines] == [step for step, _ in alone.curve]
    for name in ("lr", "grad_norm"):
        pairs = zip(lines, read_lines(tmp_path / "log.jsonl"), strict=True)
        assert all(one[name] == pytest.approx(other[name], rel=0.05) for one, other in pairs)
    tolerance = 1e-2 if "precision" in changes else 1e-4
    assert [line["loss"] for line in lines] == pytest.approx([loss for _, loss in alone.curve], rel=tolerance)


def test_one_process_finishes_the_training_of_two(jobs):
    root, _ = jobs
    lines = read_lines(root / "plain" / "log.jsonl")
    result = train(root / "plain")
    assert result.step == 20
    assert result.curve[-1] == (20, lines[-1]["loss"])


def test_all_processes_diverge_together_and_name_the_layer_of_one_of_them(jobs):
    root, failures = jobs
    first, second = failures["diverging"]
    assert first == second
    assert "diverged at step 5: layer blocks.0.norm is the first" in first
    assert sorted(path.name for path in (root / "diverging" / "checkpoints").iterdir()) == ["000000002", "000000004"]


def test_a_sharded_training_resumes_exactly_and_its_checkpoints_are_whole(jobs):
    root, failures = jobs
    assert failures["resumed"] == ["", ""]
    newest = "checkpoints/000000020"
    snapshot = "averages/000000020.safetensors"
    for name in ("log.jsonl", snapshot, f"{newest}/weights.safetensors", f"{newest}/average.safetensors"):
        assert (root / "resumed" / name).read_bytes() == (root / "sharded" / name).read_bytes()
    shapes = {name: value.shape for name, value in net().state_dict().items()}
    for part in (
        Checkpoint.read(root / "sharded" / newest).weights,
        Checkpoint.read(root / "sharded" / newest).average,
    ):
        assert {name: value.shape for name, value in part.items()} == shapes


def test_a_sharded_training_keeps_the_snapshots_of_one_process(jobs, tmp_path):
    root, _ = jobs
    train(tmp_path, **SHARDED)
    alone = recombine(tmp_path, 0.2, 20)
    for name, tensor in recombine(root / "sharded", 0.2, 20).items():
        torch.testing.assert_close(tensor, alone[name], rtol=1e-3, atol=1e-4)


def test_a_sharded_training_names_a_layer_too(jobs):
    first, second = jobs[1]["sharded-diverging"]
    assert first == second
    assert "diverged at step 5: the gradient of out.bias is not finite" in first


def test_float16_cannot_be_sharded(tmp_path):
    with pytest.raises(ValueError, match=r"take 'bfloat16', or training.distribution = 'replicated'"):
        train(tmp_path, distribution="sharded", precision="float16")


def test_a_world_that_does_not_divide_the_batch_is_refused_by_everyone(jobs):
    root, failures = jobs
    for failure in failures["three"]:
        assert "training.batch is 8, which 3 processes × 1 accumulated parts do not divide" in failure
    assert not (root / "three").exists()


def test_a_process_on_its_own_joins_nothing(monkeypatch):
    for name in [*os.environ]:
        if name.startswith("SLURM") or name in {"RANK", "WORLD_SIZE"}:
            monkeypatch.delenv(name)
    with process_group("cpu") as (world, device):
        assert world == World() == current_world()
        assert device.type == "cpu"


TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "node7", "MASTER_PORT": "4242"}
SLURM = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NODELIST": "gpu[03-04]",
    "SLURM_JOB_ID": "1234567",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        (TORCHRUN, Rendezvous(3, 8, 1, "node7", 4242)),
        (SLURM, Rendezvous(5, 8, 1, "gpu03", 20_000 + 1234567 % 20_000)),
        ({**SLURM, **TORCHRUN}, Rendezvous(3, 8, 1, "node7", 4242)),
        ({**SLURM, "MASTER_ADDR": "head", "MASTER_PORT": "1"}, Rendezvous(5, 8, 1, "head", 1)),
        # The batch script's own shell: the job has tasks, but srun has not started any.
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None),
        ({**SLURM, "SLURM_STEP_NUM_TASKS": "1"}, None),
    ],
)
def test_launchers_are_understood(environment, expected):
    assert read_rendezvous(environment) == expected


@pytest.mark.parametrize(
    ("hosts", "first"),
    [("a1", "a1"), ("a1,b2", "a1"), ("gpu[03-05,9],x", "gpu03"), ("gpu[7]", "gpu7"), ("n[1-2]-ib,z", "n1-ib")],
)
def test_the_first_host_is_read_off_a_compressed_list(hosts, first):
    rendezvous = read_rendezvous({**SLURM, "SLURM_STEP_NODELIST": hosts})
    assert rendezvous is not None
    assert rendezvous.address == first


def test_tasks_without_hosts_are_an_error():
    with pytest.raises(ValueError, match="set MASTER_ADDR"):
        read_rendezvous({**SLURM, "SLURM_STEP_NODELIST": ""})
