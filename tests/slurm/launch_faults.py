"""Faults of launching, injected between the decision to submit a run and its start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from campaign import BASE, PATIENCE, Campaign, Outcome, job_of, wait_for

from zigbench.launch import Cluster, launch_slurm, plan
from zigbench.launch.slurm_status import job_log
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec.registry import plugin_digest

RUNS, ARRAY = 300, 100
"""Runs of a launch that is killed, and the tasks of each of its arrays."""

WRAPPER = """#!/bin/sh
echo >> {calls}
[ $(wc -l < {calls}) = 2 ] || exec {sbatch} "$@"
{moment}
"""
KILL_BEFORE = 'kill -9 $PPID; sleep 2; exec {sbatch} "$@"'
KILL_AFTER = '{sbatch} "$@"; kill -9 $PPID'

KILL_AT_NOTE = """
import os, signal, sys
from zigbench.cli import main
from zigbench.launch.job_notes import Job
count, write = 0, Job.write
def write_or_die(*arguments, **options):
    global count
    count += 1
    if count == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*arguments, **options)
Job.write = write_or_die
main()
"""

# Each array's runs are noted twice: its token before sbatch, its id after.
MOMENTS: Mapping[str, tuple[str, int]] = {
    "while the tokens are noted": (KILL_AT_NOTE.format(number=2 * ARRAY + ARRAY // 2), ARRAY),
    "before sbatch": (KILL_BEFORE, ARRAY),
    "after sbatch": (KILL_AFTER, 2 * ARRAY),
    "while the ids are noted": (KILL_AT_NOTE.format(number=3 * ARRAY + ARRAY // 2), 2 * ARRAY),
}
"""How a launch of three arrays is killed at its second, and how many jobs SLURM then has."""


class SuiteFolder:
    """A suite file in a folder of its own, whose jobs are held.

    Args:
        base: parent of the folder.
        name: of the suite.
        runs: number of its runs.
        moment: of :data:`MOMENTS`, at which a launch of it is killed.
    """

    def __init__(self, base: Path, name: str, runs: int, moment: str = "before sbatch") -> None:
        self.base, self.name, self.moment = base / name, name, moment
        self.base.mkdir(parents=True)
        profile = f'default = "held"\n[clusters.held]\nmax_array = {ARRAY}\noptions = {{hold = true}}\n'
        (self.base / "clusters.toml").write_text(profile)
        self.file = self.base / f"{name}.py"
        self.file.write_text(
            "from zigbench.spec import Resources\nfrom zigbench.suite import Suite, grid\n"
            f"suite = Suite(name={name!r}, question='Is it done?', base={BASE | {'training.steps': 1}!r},\n"
            f"    axes=(grid('seed', range({runs})),), resources=Resources(cpus=1, memory_gb=3.0, hours=0.2))\n"
        )

    def start(self, verb: str, *options: str, killed: bool = False) -> subprocess.Popen[str]:
        """Start ``zigbench VERB SUITE …``; a launch that is killed kills itself, or its sbatch does."""
        program, path = ["-m", "zigbench.cli"], os.environ["PATH"]
        code = MOMENTS[self.moment][0]
        if killed and "import" in code:
            program = ["-c", code]
        elif killed:
            facts = {"calls": self.base / "calls", "sbatch": shutil.which("sbatch")}
            wrapper = self.base / "bin" / "sbatch"
            wrapper.parent.mkdir()
            wrapper.write_text(WRAPPER.format(**facts, moment=code.format(**facts)))
            wrapper.chmod(0o755)
            path = f"{wrapper.parent}:{path}"
        return subprocess.Popen(
            [sys.executable, *program, verb, f"{self.name}.py", *options],
            cwd=self.base,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": path, "ZIGBENCH_CLUSTERS": str(self.base / "clusters.toml")},
        )

    def jobs(self) -> list[str]:
        """Return the ids of this suite's jobs in the queue."""
        command = ["squeue", "--noheader", "--array", "--format=%i|%j"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        entries = (line.split("|") for line in done.stdout.splitlines())
        return sorted(job for job, name in entries if name.startswith(f"{self.name}-"))

    def noted(self) -> list[str]:
        """Return the ids of the jobs that the runs' folders note."""
        paths = (self.base / "results" / "runs").glob("*/job.json")
        return sorted(str(RunFolder(path.parent).read_job().get("job")) for path in paths)


def output(process: subprocess.Popen[str]) -> str:
    """Return what a process that succeeds prints."""
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, f"{out}\n{errors}"
    return out


def killed_launches(campaign: Campaign) -> None:
    """Kill launches at every moment, launch again or not, and cancel; then no job may be left."""
    begun, base = time.monotonic(), campaign.base / "killed"
    outcome = Outcome("SIGKILL of the launch", len(MOMENTS) + 1)
    relaunched = [SuiteFolder(base, f"again{i}", RUNS, moment) for i, moment in enumerate(MOMENTS)]
    cancelled = SuiteFolder(base, "cancelled", RUNS, "after sbatch")
    for launch in (*relaunched, cancelled):
        killed = launch.start("launch", "--on", "slurm", killed=True)
        killed.communicate(timeout=PATIENCE)
        assert killed.returncode == -signal.SIGKILL, launch.moment
        assert len(launch.jobs()) == MOMENTS[launch.moment][1], launch.moment
    states = [run["state"] for run in json.loads(output(cancelled.start("plan", "--json")))["runs"]]
    outcome.changed += abs(states.count("pending") - 2 * ARRAY)
    # All at once, since some of them wait until SLURM can't get the killed submission any more.
    for process in [launch.start("launch", "--on", "slurm") for launch in relaunched]:
        output(process)
    for launch in relaunched:
        jobs = launch.jobs()
        outcome.lost += RUNS - len(set(jobs) & set(launch.noted()))
        outcome.duplicated += len(jobs) - RUNS
    expected = [(launch, RUNS) for launch in relaunched] + [(cancelled, 2 * ARRAY)]
    for (launch, count), process in [(pair, pair[0].start("cancel")) for pair in expected]:
        assert f"cancelled the jobs of {count} of {RUNS} runs" in output(process), launch.moment
    wait_for(lambda: not any(launch.jobs() for launch, _ in expected), "cancelled jobs to leave the queue")
    outcome.seconds = time.monotonic() - begun
    campaign.outcomes[outcome.fault] = outcome


def damaged_before_start(campaign: Campaign) -> None:
    """Damage the files of held runs, in a folder with a pattern of SLURM's in its name; then let them start."""
    begun, root = time.monotonic(), campaign.base / "100%j" / "runs"
    cells = campaign.cells(5)
    folders = campaign.launch(cells, root, hold=True)
    jobs = [job_of(folder) for folder in folders]
    held = plan(cells, root).items
    edited = json.loads(folders[2].spec.read_text()) | {"seed": 10**6}
    for folder, content in zip(folders, ("", folders[1].spec.read_text()[:100], json.dumps(edited)), strict=False):
        folder.spec.write_text(content)
    for path in (folders[3].path / "claim.0", root / ".launch.0"):
        path.write_text("")
        os.utime(path, (0, 0))
    for name in (".launch", "notes.txt", "record.json"):
        (root / name).write_text("")
    damaged = plan(cells, root)
    states = [item.state for item in damaged.items]
    again = launch_slurm(damaged, Cluster(), root, name="again").runs
    (later,) = campaign.cells(1)
    folder = RunFolder.of(later.spec, root)
    folder.submit(later.spec)
    newer = json.loads(Record(id=folder.id, status="ok", spec=later.spec.resolved()).to_json()) | {"schema_version": 99}
    folder.record.write_text(json.dumps(newer))
    planned = plan([later], root, ["damaged", "failed"])
    campaign.slurm.ask("scontrol", "release", jobs[0].partition("_")[0])

    outcome = campaign.judge("spec damaged before the start", folders[:3], begun, 3)
    outcome.changed += states != ["damaged"] * 3 + ["pending"] * 2
    outcome.duplicated += again
    outcome = campaign.judge("empty claim, stray files", folders[3:4], begun, 1)
    outcome = campaign.judge("%j in the path, jobs held", folders[4:], begun, len(folders))
    outcome.changed += sum((item.state, item.reason) != ("pending", "JobHeldUser") for item in held)
    outcome.changed += sum(not job_log(root.parent / "jobs", job).exists() for job in jobs)
    outcome = Outcome("record of a later version", 1, changed=[item.state for item in planned.items] != ["newer"])
    outcome.duplicated = len(planned.todo)
    campaign.outcomes[outcome.fault] = outcome


def edited_plugin(campaign: Campaign) -> None:
    """Break a suite's file, which its jobs import, while they wait; they run the snapshot's copy."""
    begun = time.monotonic()
    suite = SuiteFolder(campaign.base / "edited", "edited", 1)
    output(suite.start("launch", "--on", "slurm", "--snapshot"))
    (job,) = suite.noted()
    digest = plugin_digest(str(suite.file))
    suite.file.write_text("raise RuntimeError('this edit reached a job')\n")
    campaign.slurm.ask("scontrol", "release", job)
    folders = [RunFolder(path.parent) for path in suite.base.glob("results/runs/*/spec.json")]
    outcome = campaign.judge("edit of a plug-in after --snapshot", folders, begun, 1)
    code = Record.read(folders[0].record).environment["code"] if not outcome.lost else {}
    outcome.changed += code.get("plugins", {}).get(suite.file.name) != digest


SINGLE: tuple[Callable[[Campaign], None], ...] = (damaged_before_start, edited_plugin, killed_launches)
