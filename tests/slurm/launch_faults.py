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

from campaign import BASE, PATIENCE, Campaign, Outcome, wait_for

from zigbench.records.folder import RunFolder

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


class KilledLaunch:
    """A suite whose launch is killed; its jobs are held.

    Args:
        base: folder of its own.
        name: of the suite.
        moment: of :data:`MOMENTS`, at which its launch is killed.
    """

    def __init__(self, base: Path, name: str, moment: str) -> None:
        self.base, self.name, self.moment = base / name, name, moment
        self.base.mkdir(parents=True)
        profile = f'default = "held"\n[clusters.held]\nmax_array = {ARRAY}\noptions = {{hold = true}}\n'
        (self.base / "clusters.toml").write_text(profile)
        (self.base / f"{name}.py").write_text(
            "from zigbench.spec import Resources\nfrom zigbench.suite import Suite, grid\n"
            f"suite = Suite(name={name!r}, question='Is it killed?', base={BASE | {'training.steps': 1}!r},\n"
            f"    axes=(grid('seed', range({RUNS})),), resources=Resources(cpus=1, memory_gb=1.0, hours=0.1))\n"
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
    relaunched = [KilledLaunch(base, f"again{i}", moment) for i, moment in enumerate(MOMENTS)]
    cancelled = KilledLaunch(base, "cancelled", "after sbatch")
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


SINGLE: tuple[Callable[[Campaign], None], ...] = (killed_launches,)
