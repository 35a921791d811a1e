"""The figures that Weights & Biases gets, read by its own reader; nothing leaves the machine."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.processes import zigbench
from tests.training.conftest import train
from tests.training.test_resume import Stop, stop_at
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.training.logging import read_lines

wandb = pytest.importorskip("wandb", reason="needs the extra `track`")

UNREACHABLE = "http://127.0.0.1:9"
"""An address where no server answers."""


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """Offline, without the user's settings and keys, in a service of the test's own."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", UNREACHABLE)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_X_SERVICE_WAIT", "120")  # A busy machine may take more than 30 seconds to start it.
    yield
    with contextlib.suppress(ConnectionError):  # One of the tests leaves a service that is gone.
        wandb.teardown()


def run(root: Path, base: dict[str, object], *options: str) -> Path:
    """The folder of a run with the sink, done as a user does it."""
    (root / "one.py").write_text(
        "from zigbench.suite import Suite, grid\n"
        f"suite = Suite(name='one', question='One?', base={base!r}, axes=(grid('seed', (0,)),))\n"
    )
    done = zigbench("run", "one.py", "--set", 'training.sinks=["wandb"]', *options, cwd=root)
    assert done.returncode == 0, done.stderr
    (folder,) = (path.parent for path in (root / "results" / "runs").glob("*/spec.json"))
    return folder


def lives(folder: Path) -> list[list[dict[str, Any]]]:
    """The records that each life of a run left, in the order of the lives."""
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    records = []
    for file in files:
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        records.append([json.loads(line) for line in done.stdout.splitlines()])
    return records


def only(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in records if record["type"] == kind]


def rows(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of figures, with nothing of what W&B adds to them but its own count, ``_step``."""
    added = {"_runtime", "_timestamp"}
    return [{k: v for k, v in row["item"].items() if k not in added} for row in only(records, "history")]


def logged(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of the run's own log as W&B stores rows, with the step under its own name."""
    return [{"_step": line.pop("step"), **line} for line in read_lines(folder / "log.jsonl")]


def test_two_processes_send_the_spec_and_each_line_once(tmp_path, tiny):
    folder = run(tmp_path, tiny, "--set", "resources.tasks=2")
    (records,) = lives(folder)
    (begun,) = only(records, "run")
    assert (begun["run_id"], begun["project"]) == (folder.name, "zigbench")
    assert begun["config"]["update"] == {"_wandb": {}, **json.loads(RunFolder(folder).spec.read_text())}
    assert rows(records) == logged(folder)
    assert [row["_step"] for row in rows(records)] == [1, 2, 3, 4]
    assert [end["exit_code"] for end in only(records, "exit")] == [0]
    # What the run prints is its own.
    assert only(records, "output_raw") == []


def test_a_second_life_adds_to_the_same_run_what_the_first_had_not_sent(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Stop):
        train(folder, checkpoint_every=4, sinks=("wandb",), on_step=stop_at(14))
    train(folder, checkpoint_every=4, sinks=("wandb",))
    first, second = lives(folder)
    for records in (first, second):
        (begun,) = only(records, "run")
        assert (begun["run_id"], begun["resume"]) == ("run", True)
    assert [row["_step"] for row in rows(first)] == list(range(1, 15))
    assert [row["_step"] for row in rows(second)] == list(range(13, 21))
    # The same step counts as the same row, with the same figures: put together they are the log.
    assert rows(first)[12:] == rows(second)[:2]
    assert rows(first) + rows(second)[2:] == logged(folder)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_service_that_is_lost_is_reported_once_and_the_training_goes_on(tmp_path, caplog):
    def lose(step: int, loss: float, rate: float) -> None:
        if step == 5:
            os.kill(service(), signal.SIGKILL)

    with caplog.at_level(logging.WARNING):
        trained = train(tmp_path / "run", sinks=("wandb",), on_step=lose)
    assert trained.step == 20
    (message,) = [record.getMessage() for record in caplog.records if record.name == "zigbench.training.logging"]
    # A connection is lost, reset or broken, as the moment has it.
    assert re.match(r"the sink wandb failed and is not used any more \(\w+: .+\)", message)
    assert same(trained.model, train(tmp_path / "alone").model)
    assert len(logged(tmp_path / "run")) == 20


def service() -> int:
    """The process id of the service that wandb started from here."""
    for thread in Path("/proc/self/task").iterdir():
        for child in (thread / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().startswith("wandb-core"):
                return int(child)
    raise AssertionError("wandb has started no service")


def test_without_a_key_the_run_ends_well_and_its_output_says_what_failed(tmp_path, tiny, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    folder = run(tmp_path, tiny)
    assert Record.read(folder / "record.json").status == "ok"
    assert (folder / "output.txt").read_text().count("the sink wandb failed and is not used any more (UsageError") == 1
    assert len(logged(folder)) == 4
