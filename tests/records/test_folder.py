"""Laws of claims: one holder at a time, whoever else tries; the dead hold nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from zigbench.records import folder as folder_module
from zigbench.records.folder import BusyError, RunFolder
from zigbench.records.record import Record
from zigbench.spec import RunSpec


@pytest.fixture
def submitted(tmp_path, tiny) -> RunFolder:
    spec = RunSpec.parse(tiny)
    run = RunFolder.of(spec, tmp_path)
    run.submit(spec)
    return run


def test_state_follows_the_files(tmp_path, tiny):
    spec = RunSpec.parse(tiny)
    run = RunFolder.of(spec, tmp_path / "runs")
    assert run.state() == "missing"
    run.submit(spec)
    assert run.state() == "submitted"
    assert run.read_spec() == spec
    with run.lock():
        assert run.state() == "running"
    assert run.state() == "submitted"
    Record(id=run.id, status="diverged", spec=spec.resolved()).write(run.record)
    assert run.state() == "diverged"
    run.record.write_text("{")
    assert run.state() == "damaged"


def test_one_holder_at_a_time(submitted):
    with submitted.lock():
        assert submitted.holder()["pid"] == os.getpid()
        with pytest.raises(BusyError, match=str(os.getpid())), submitted.lock():
            pass
    assert submitted.holder() is None
    assert not list(submitted.path.glob("claim.*"))


def test_of_many_contenders_one_wins(submitted):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom zigbench.records.folder import BusyError, RunFolder\n"
        "run = RunFolder(Path(sys.argv[1]))\nsys.stdin.readline()\n"
        "try:\n    with run.lock():\n        print('won', flush=True)\n        sys.stdin.readline()\n"
        "except BusyError:\n    print('lost', flush=True)\n    sys.stdin.readline()\n"
    )
    contenders = [
        subprocess.Popen([sys.executable, "-c", code, submitted.path], stdin=-1, stdout=-1, text=True) for _ in range(6)
    ]
    for process in contenders:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.stdout.readline().strip() for process in contenders]
    for process in contenders:
        process.communicate("\n")
    assert sorted(answers) == ["lost"] * 5 + ["won"]


def test_the_claim_of_a_dead_process_is_overtaken(submitted):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom zigbench.records.folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).lock():\n    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, submitted.path], check=False)
    assert list(submitted.path.glob("claim.*"))
    assert submitted.state() == "submitted"
    with submitted.lock():
        assert submitted.state() == "running"
    assert not list(submitted.path.glob("claim.*"))


def test_another_hosts_claim_lives_by_its_sign_of_life(submitted):
    claim = submitted.path / "claim.0"
    claim.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "0", "job": None}))
    with pytest.raises(BusyError, match="elsewhere"), submitted.lock():
        pass
    silent = time.time() - folder_module.STALE_AFTER - 1
    os.utime(claim, (silent, silent))
    with submitted.lock():
        assert submitted.holder()["host"] != "elsewhere"


def test_an_edited_spec_is_refused(submitted):
    raw = json.loads(submitted.spec.read_text())
    raw["seed"] = 99
    submitted.spec.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match="it was edited"):
        submitted.read_spec()
    submitted.spec.write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        submitted.read_spec()
