"""Planning, launching and collecting by the thousand: run with ``--benchmark-enable``.

The array of a thousand jobs measures the scheduler: their runs are recorded before, so that each job ends at once.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from cluster import LocalSlurm, missing

from zigbench.launch import Cluster, cancel, launch_slurm, plan
from zigbench.launch.slurm import submit
from zigbench.launch.slurm_status import read_queue
from zigbench.records import collect
from zigbench.records.cache import FILE
from zigbench.records.environment import environment
from zigbench.records.folder import RunFolder
from zigbench.records.record import Measurement, Record
from zigbench.runs.process import RunOptions
from zigbench.spec import Resources
from zigbench.suite import Suite, expand, grid

SMALL = Resources(cpus=1, memory_gb=1.0, hours=0.5)
METRICS = 8


def suite(tiny: dict[str, object], runs: int) -> Suite:
    return Suite("thousands", "How long?", tiny, (grid("seed", range(runs)),), resources=SMALL)


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory) -> Path:
    """Ten thousand records of eight figures each."""
    from tests.conftest import TINY

    root, here = tmp_path_factory.mktemp("ten_thousand"), environment(device="cpu", threads=1)
    for cell in expand(suite(dict(TINY), 10_000)):
        folder = RunFolder.of(cell.spec, root)
        folder.submit(cell.spec)
        figures = tuple(
            Measurement(name=f"metric {i}", value=0.1 * i, interval=(0.1, 0.9), samples=(0.1, 0.2, 0.3))
            for i in range(METRICS)
        )
        record = Record(id=folder.id, status="ok", spec=cell.spec.resolved(), measurements=figures, environment=here)
        folder.record.write_text(record.to_json())
    return root


@pytest.mark.parametrize("cached", [False, True])
def test_collect_ten_thousand_records(benchmark: Any, ten_thousand, cached):
    # The system's own account of the peak: that of getrusage is passed on by whoever started the process.
    code = "import re, sys; from zigbench import collect; table = collect.frame(sys.argv[1]); "
    code += "print(len(table), 1024 * int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]))"

    def fresh() -> None:
        if not cached:
            (ten_thousand / FILE).unlink(missing_ok=True)

    def once() -> str:
        done = subprocess.run([sys.executable, "-c", code, ten_thousand], capture_output=True, text=True, check=True)
        return done.stdout

    rows, memory = map(int, benchmark.pedantic(once, setup=fresh, rounds=3).split())
    benchmark.extra_info["memory_bytes"] = memory
    assert rows == 10_000 * METRICS
    assert memory < 2**30


@pytest.mark.parametrize("recorded", [False, True])
def test_plan_ten_thousand_runs(benchmark: Any, ten_thousand, tmp_path, tiny, recorded):
    root = ten_thousand if recorded else tmp_path
    collect.scan(root)
    planned = benchmark.pedantic(lambda: plan(expand(suite(tiny, 10_000)), root), rounds=3)
    assert planned.counts() == {"ok" if recorded else "missing": 10_000}


@pytest.fixture(scope="module")
def slurm() -> Iterator[LocalSlurm]:
    why = missing()
    if why:
        pytest.skip(f"no SLURM can be started here: {why}")
    with tempfile.TemporaryDirectory(prefix="zb-") as base, LocalSlurm(Path(base), cpus=4) as cluster:
        yield cluster


def test_launch_a_thousand_runs(benchmark: Any, slurm, tmp_path, tiny):
    cells = list(expand(suite(tiny, 1000)))
    rounds = iter(range(3))

    def once() -> None:
        root = tmp_path / str(next(rounds)) / "runs"
        sent = launch_slurm(plan(cells, root), Cluster(options={"hold": True}), root, name="many")
        assert (len(sent.jobs), sent.runs) == (1, 1000)
        planned.append(plan(cells, root))

    planned: list[Any] = []
    benchmark.pedantic(once, rounds=3)
    for each in planned:
        cancel([item.folder for item in each.items])


def test_a_thousand_jobs_whose_runs_are_done_from_submission_to_the_frame(benchmark: Any, slurm, tmp_path, tiny):
    root = tmp_path / "runs"

    def once() -> int:
        runs = []
        for cell in expand(suite(tiny, 1000)):
            folder = RunFolder.of(cell.spec, root)
            folder.submit(cell.spec)
            Record(id=folder.id, status="ok", spec=cell.spec.resolved()).write(folder.record)
            runs.append(RunOptions(run=folder.path, cpus=1))
        submit(runs, SMALL, Cluster(), tmp_path / "jobs", name="done")
        while read_queue():
            time.sleep(1)
        return len(collect.frame(root))

    assert benchmark.pedantic(once, rounds=1) == 1000
