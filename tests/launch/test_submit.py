"""Laws of submitting: what is refused leaves no trace, and what was sent before a refusal is kept."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.waiting import wait_until
from zigbench.cli.logs import log_lines
from zigbench.launch import Cluster, cancel, launch_background, launch_slurm, plan
from zigbench.launch.retry import JobEnd, should_retry
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell

SMALL = Resources(cpus=1, memory_gb=1.0)
ACCEPTS = "cat > /dev/null; echo 7"
REFUSES = "echo no >&2; exit 1"
SITE = {"srun": "exit 0", "squeue": "exit 0", "sacct": "exit 0", "scontrol": "echo ClusterName = here"}


def cells(tiny, count: int) -> list[Cell]:
    return [Cell({"seed": str(seed)}, RunSpec.parse({**tiny, "seed": seed}), SMALL) for seed in range(count)]


def test_a_refused_launch_leaves_every_folder_as_it_was(tmp_path, tiny, programs):
    root, wanted = tmp_path / "results/runs", cells(tiny, 3)
    failed, begun, missing = (RunFolder.of(cell.spec, root) for cell in wanted)
    failed.submit(wanted[0].spec)
    assert should_retry(failed, JobEnd("failed", "one", "1"))
    assert not should_retry(failed, JobEnd("failed", "two", "2"))
    begun.submit(wanted[1].spec)
    before = {path: path.read_bytes() for path in root.glob("*/*")}
    programs(**SITE, sbatch=REFUSES)
    planned = plan(wanted, root, ["failed"])
    assert len(planned.todo) == 3
    with pytest.raises(ValueError, match="SLURM refuses the submission"):
        launch_slurm(planned, Cluster(), root, name="refused")
    assert {path: path.read_bytes() for path in root.glob("*/*")} == before
    assert not missing.path.exists()
    assert plan(wanted, root).counts() == {"failed": 1, "submitted": 1, "missing": 1}


def test_arrays_that_were_sent_before_a_refusal_are_known(tmp_path, tiny, programs):
    root, wanted = tmp_path / "results/runs", cells(tiny, 4)
    once = tmp_path / "once"
    programs(
        **SITE | {"squeue": "echo '7_0|PENDING|Priority'; echo '7_1|PENDING|Priority'"},
        sbatch=f"mkdir {once} || exit 1; {ACCEPTS}",
    )
    with pytest.raises(ValueError, match="SLURM refuses the submission"):
        launch_slurm(plan(wanted, root), Cluster(max_array=2), root, name="halves")
    assert plan(wanted, root).counts() == {"pending": 2, "missing": 2}
    jobs = [RunFolder.of(cell.spec, root).read_job() for cell in wanted[:2]]
    assert [job["job"] for job in jobs] == ["7_0", "7_1"]
    assert {job["site"] for job in jobs} == {"here"}


@pytest.fixture
def one(tmp_path, tiny):
    (tmp_path / "one.py").write_text(
        "from zigbench.suite import Suite, grid\n"
        f"suite = Suite(name='one', question='One?', base={tiny!r}, axes=(grid('seed', (0,)),))\n"
    )

    def launch(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "zigbench.cli", "launch", "one.py", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return launch


@pytest.mark.parametrize("option", [["--cluster", "lab"], ["--partition", "gpu"], ["--nodes", "2"], ["--snapshot"]])
def test_options_of_a_cluster_are_refused_on_this_machine(one, tmp_path, option):
    done = one("--on", "local", *option)
    assert done.returncode == 2
    assert done.stderr == f"zigbench: {option[0]} cannot be used with --on local, only with --on slurm\n"
    assert not (tmp_path / "results").exists()


def test_a_partition_may_be_a_number(one):
    done = one("--on", "slurm", "--partition", "2080", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "2080" in done.stdout


def test_a_scheduler_that_does_not_answer_is_one_line(one, tmp_path, programs):
    programs(**SITE | {"scontrol": "echo 'Unable to contact slurm controller' >&2; exit 1"}, sbatch=REFUSES)
    done = one("--on", "slurm")
    assert done.returncode == 1
    assert done.stderr == "zigbench: scontrol says: Unable to contact slurm controller\n"
    planned = subprocess.run(
        [sys.executable, "-m", "zigbench.cli", "plan", "one.py", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert [run["state"] for run in json.loads(planned.stdout)["runs"]] == ["missing"]


def test_runs_are_done_pending_ones_seen_and_unwanted_ones_left(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = [Cell({"seed": str(seed)}, RunSpec.parse({**tiny, "seed": seed}), SMALL) for seed in range(3)]
    sent = launch_background(plan(wanted, root), root, workers=1)
    assert (len(sent.jobs), sent.runs) == (1, 3)
    planned = plan(wanted, root)
    assert set(planned.counts()) <= {"pending", "running", "ok"}
    assert planned.todo == ()
    # A second launch at this moment finds nothing to do.
    assert launch_background(planned, root).runs == 0
    folders = [RunFolder.of(cell.spec, root) for cell in wanted]
    assert cancel([folders[2]]) == [folders[2]]
    wait_until(lambda: all(folder.record.exists() for folder in folders[:2]))
    wait_until(lambda: plan(wanted, root).counts() == {"ok": 2, "submitted": 1})
    assert {Record.read(folder.record).status for folder in folders[:2]} == {"ok"}
    lines = list(log_lines(folders[0], follow=True))
    assert lines[-1].startswith("step 4  loss ")
    assert launch_background(plan(wanted, root), root).runs == 1
    wait_until(folders[2].record.exists)


def test_classes_of_resources_are_done_one_after_another(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = [
        Cell({"seed": str(seed)}, RunSpec.parse({**tiny, "seed": seed}), resources)
        for seed, resources in enumerate((SMALL, Resources(cpus=1, memory_gb=0.5)))
    ]
    sent = launch_background(plan(wanted, root), root, workers=2)
    assert (len(sent.jobs), sent.runs) == (1, 2)
    folders = [RunFolder.of(cell.spec, root) for cell in wanted]
    assert {folder.read_job()["job"] for folder in folders} == set(sent.jobs)
    said = tmp_path / "jobs" / sent.jobs[0] / "output.txt"
    wait_until(lambda: said.read_text().count('"finished"') == 2)
    lines = [line for line in said.read_text().splitlines() if line.startswith("{")]
    events = [(event["run"], event["kind"]) for event in map(json.loads, lines)]
    assert events == [(folder.id, kind) for folder in folders for kind in ("started", "finished")]
