"""Runs that have the machine to themselves: a process each, one at a time, with a limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from zigbench.launch import available_workers, launch_local, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.runs import worker
from zigbench.runs.isolation import ForkedRunner
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell, Suite, expand, grid

TINY = {
    "task": "efficiency",
    "data": {"name": "shape", "config": {"channels": 1, "height": 4, "width": 4}},
    "backbone": {"name": "dit", "config": {"width": 8, "depth": 1, "heads": 1}},
    "efficiency.seconds": 1e-3,
}


@pytest.fixture
def folder(tmp_path):
    spec = RunSpec.parse(TINY)
    made = RunFolder.of(spec, tmp_path / "runs")
    made.submit(spec)
    return made


def test_work_is_done_in_a_process_of_its_own(folder):
    answer = ForkedRunner(60.0).run(folder, lambda run: {"status": "ok", "pid": str(os.getpid()), "run": run.id})
    assert answer["status"] == "ok"
    assert answer["run"] == folder.id
    assert answer["pid"] != str(os.getpid())
    assert not os.path.exists(f"/proc/{answer['pid']}")


def test_runs_forked_for_a_gpu_inherit_what_tritons_kernels_are_found_by(folder):
    cache = pytest.importorskip("triton.runtime.cache")
    worker.hash_triton()
    assert cache.triton_key.cache_info().misses == 1
    answer = ForkedRunner(60.0).run(
        folder, lambda _: {"key": cache.triton_key(), "misses": str(cache.triton_key.cache_info().misses)}
    )
    assert answer == {"key": cache.triton_key(), "misses": "1"}


def test_work_that_hangs_is_ended_and_recorded(folder):
    def hang(run: RunFolder) -> dict[str, str]:
        with run.lock():
            time.sleep(600)
        return {"status": "ok"}

    answer = ForkedRunner(0.5).run(folder, hang)
    assert answer["status"] == "timeout"
    record = Record.read(folder.record)
    assert record.status == "timeout"
    assert record.id == folder.id
    assert "longer than 0.5 s" in record.error.message
    assert folder.state() == "timeout"


@pytest.mark.parametrize(
    ("end", "words"),
    [(lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"), (lambda: os._exit(3), "exited with 3")],
)
def test_work_whose_process_dies_says_how(folder, end, words):
    answer = ForkedRunner(60.0).run(folder, lambda run: end())
    assert answer["status"] == "died"
    assert words in answer["error"]
    assert not folder.record.exists()


def test_cells_are_measured_one_after_another_in_the_order_of_the_rounds(tmp_path):
    suite = Suite(
        name="s",
        question="?",
        base=TINY,
        axes=(grid("backbone.config.depth", (1, 2), name="arm"), grid("seed", (0, 1))),
        order=("seed",),
    )
    cells = list(expand(suite))
    assert [tuple(cell.labels.values()) for cell in cells] == [("1", "0"), ("2", "0"), ("1", "1"), ("2", "1")]
    assert [list(cell.labels) for cell in cells] == [["arm", "seed"]] * 4
    resources = Resources(cpus=1, memory_gb=1.0, hours=0.05, exclusive=True)
    assert available_workers(resources, 100) == 1
    root = tmp_path / "runs"
    events = list(launch_local(plan(cells, root), resources, root, workers=4))
    assert [event.kind for event in events] == ["started", "finished"] * 4
    assert [event.run for event in events[::2]] == [cell.spec.id for cell in cells]
    assert {event.status for event in events[1::2]} == {"ok"}
    measured = [Record.read(root / cell.spec.id / "record.json") for cell in cells]
    assert all("fps" in {m.name for m in record.measurements} for record in measured)
    assert plan(cells, root).todo == ()


HANGING = """
import time
from zigbench.spec.registry import backbones
from zigbench.spec import BackboneConfig

@backbones.register("hanging")
class Config(BackboneConfig):
    network = f"{__name__}:hang"

def hang(config, geometry):
    time.sleep(600)
"""


def test_a_limit_ends_a_cell_and_the_others_go_on(tmp_path, monkeypatch):
    plugin = tmp_path / "hanging.py"
    plugin.write_text(HANGING)
    monkeypatch.setenv("ZIGBENCH_PLUGINS", str(plugin))
    raw = {**TINY, "backbone": {"name": "hanging"}}
    cells = [Cell({"run": str(i)}, RunSpec.parse({**raw, "seed": i})) for i in range(2)]
    root = tmp_path / "runs"
    events = list(launch_local(plan(cells, root), Resources(cpus=1, hours=2 / 3600, exclusive=True), root))
    finished = [event for event in events if event.kind == "finished"]
    assert [event.status for event in finished] == ["timeout"] * 2
    assert all("took longer than 2 s" in event.error for event in finished)
    assert plan(cells, root).todo == ()
    assert len(plan(cells, root, ["timeout"]).todo) == 2


def test_a_process_that_forks_runs_asks_nothing_of_cuda(tmp_path):
    # A forked process can't use a GPU once the one it was forked from has asked CUDA for anything, be it how many.
    script = f"""
import os
from pathlib import Path
import torch
from zigbench.runs.process import WorkerOptions
from zigbench.runs.worker import serve
torch.cuda.device_count = torch.cuda.is_available = torch._C._cuda_getDeviceCount = lambda: os._exit(3)
serve(WorkerOptions(results=Path({str(tmp_path)!r}), cpus=1, gpus=1, limit=60.0))
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        ready = worker.stdout.readline()
        worker.stdin.close()
    assert b"ready" in ready
    assert worker.returncode == 0
