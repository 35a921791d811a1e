"""Laws of executing a run: what the machine does to it leaves no record, and who was overtaken writes nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE, wait_until
from zigbench.launch import plan
from zigbench.records import lock as lock_module
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.runs.execute import execute
from zigbench.spec import RunSpec
from zigbench.suite import Suite, expand, grid

EXECUTE = (
    "import os, sys\nfrom pathlib import Path\nfrom zigbench.records.folder import RunFolder\n"
    "from zigbench.runs.execute import execute\n"
    "folder = Path(sys.argv[1])\n"
    "execute(RunFolder(folder), cache=folder.parents[1] / 'cache', device='cpu')\n"
)
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")


def start(folder: RunFolder) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", EXECUTE, str(folder.path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def submitted(root: Path, keys: dict[str, object]) -> RunFolder:
    spec = RunSpec.parse(keys)
    folder = RunFolder.of(spec, root)
    folder.submit(spec)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_stopped_run_that_was_taken_over_writes_nothing_when_it_continues(tmp_path, tiny):
    keys = {**tiny, "training.steps": 40, "training.log_every": 1, "training.checkpoint_seconds": 0.05}
    keys["evaluation.metrics"] = ["held_out_loss"]
    alone = submitted(tmp_path / "alone" / "runs", keys)
    execute(alone, cache=tmp_path / "cache", device="cpu")
    folder = submitted(tmp_path / "runs", keys)
    process = start(folder)
    try:
        wait_until(lambda: folder.checkpoint() > 0)
        process.send_signal(signal.SIGSTOP)
        (lock,) = folder.path.glob("claim.*")
        os.utime(lock, (time.time() - lock_module.STALE_AFTER - 1,) * 2)
        assert execute(folder, cache=tmp_path / "cache", device="cpu").status == "ok"
        before = contents(folder.path)
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "LostLockError" in errors.splitlines()[-1] or "taken over by another process" in errors
    assert contents(folder.path) == before
    for name in ("record.json", "log.jsonl"):
        assert (folder.path / name).read_bytes() == (alone.path / name).read_bytes()


def test_a_record_is_never_replaced(tmp_path, tiny):
    folder = submitted(tmp_path, tiny)
    spec = folder.read_spec()
    Record.failed(spec, "failed", kind="First", message="first").write(folder.record)
    with pytest.raises(FileExistsError):
        Record(id=folder.id, status="ok", spec=spec.resolved()).write(folder.record)
    assert Record.read(folder.record).error.kind == "First"
    assert [path.name for path in folder.path.glob("*record*")] == ["record.json"]


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False)
    if mounting.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@ROOT_ONLY
@pytest.mark.parametrize("room", [0.4, 0.8])
def test_room_for_part_of_a_checkpoint_leaves_no_record(small_disk, tmp_path, tiny, room):
    suite = Suite(
        name="full",
        question="?",
        base={**tiny, "evaluation.metrics": ["held_out_loss"]},
        axes=(grid("seed", (0,), name="seed"),),
    )
    cells = list(expand(suite))
    alone = submitted(tmp_path / "alone" / "runs", cells[0].spec.resolved())
    execute(alone, cache=tmp_path / "cache", device="cpu")
    (checkpoint,) = (alone.path / "checkpoints").iterdir()
    size = sum(path.stat().st_size for path in checkpoint.iterdir())
    folder = submitted(small_disk / "runs", cells[0].spec.resolved())
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 16_384 - int(room * size)))
    with pytest.raises(OSError, match="No space left"):
        execute(folder, cache=tmp_path / "cache", device="cpu")
    assert not folder.record.exists()
    assert not any((folder.path / "checkpoints").iterdir())
    assert plan(cells, small_disk / "runs").counts() == {"submitted": 1}
    filler.unlink()
    assert execute(folder, cache=tmp_path / "cache", device="cpu").status == "ok"
    assert Record.read(folder.record) == Record.read(alone.record)
