"""Laws of results that two users share: who may read sees everything, and who may write takes a run over.

The second user is root without the capabilities that open other users' files; the first is a number that owns them.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys

import pytest

from tests.support.second_user import FIRST, GROUP, as_second_user, give_to_first_user
from tests.support.waiting import PATIENCE
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import RunSpec

KEYS = {"evaluation.metrics": ["held_out_loss"]}
EXECUTE = (
    "import os, signal, sys\nfrom pathlib import Path\nfrom zigbench.records.folder import RunFolder\n"
    "from zigbench.runs.execute import execute\n"
    "folder = Path(sys.argv[1])\n"
    "stop = (lambda: os.kill(os.getpid(), signal.SIGKILL)) if 'kill' in sys.argv else (lambda: False)\n"
    "execute(RunFolder(folder), cache=folder.parents[1] / 'cache', device='cpu', stop_requested=stop)\n"
)

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user"
)


@pytest.fixture
def folder(tmp_path, tiny) -> RunFolder:
    spec = RunSpec.parse(KEYS | tiny)
    folder = RunFolder.of(spec, tmp_path / "results" / "runs")
    folder.submit(spec)
    return folder


def test_a_user_who_may_only_read_sees_a_run_at_work(tmp_path, tiny, folder):
    (tmp_path / "tiny.py").write_text(
        "from zigbench.suite import Suite, grid\n"
        f"suite = Suite(name='tiny', question='Does it run?', base={KEYS | dict(tiny)!r}, axes=(grid('seed', (0,)),),"
        " metrics=('held_out_loss',))\n"
    )
    results = tmp_path / "results"
    with folder.lock():
        give_to_first_user(results)
        before = sorted(results.rglob("*"))
        for words in (["status"], ["status", "tiny.py"], ["plan", "tiny.py"], ["report", "tiny.py"]):
            zigbench = [sys.executable, "-P", "-m", "zigbench.cli", *words, "--results", str(results / "runs")]
            done = as_second_user(*zigbench, cwd=tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "running" in done.stdout or words[0] == "report"
        assert as_second_user("touch", str(folder.path / "new")).returncode != 0
        assert sorted(results.rglob("*")) == before


def test_a_user_of_the_group_takes_a_run_over(tmp_path, folder):
    results = tmp_path / "results"
    for path in (results, folder.path.parent, folder.path):
        path.chmod(0o2775)
    execute = [sys.executable, "-c", EXECUTE, str(folder.path)]
    killed = subprocess.run([*execute, "kill"], umask=0o002, timeout=PATIENCE, check=False)
    assert killed.returncode == -9
    assert list(folder.path.glob("claim.*"))
    give_to_first_user(results)
    shared = [path for path in results.rglob("*") if path != folder.spec]
    assert all(path.stat().st_mode & stat.S_IWGRP for path in shared)
    done = as_second_user(*execute, groups=f"0,{GROUP}", umask=0o002)
    assert done.returncode == 0, done.stderr
    assert Record.read(folder.record).status == "ok"
    assert folder.record.stat().st_mode & stat.S_IWGRP


def test_the_files_of_another_user_are_no_failure_of_a_run(tmp_path, folder):
    (folder.path / "log.jsonl").write_text("")
    os.chown(folder.path / "log.jsonl", FIRST, GROUP)
    done = as_second_user(sys.executable, "-c", EXECUTE, str(folder.path))
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    assert folder.state() == "submitted"
    (folder.path / "log.jsonl").chmod(0o666)
    assert as_second_user(sys.executable, "-c", EXECUTE, str(folder.path)).returncode == 0
    assert Record.read(folder.record).status == "ok"
