"""Faults of machines and schedulers, injected into runs at work."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from campaign import (
    CHAINED_STEPS,
    LIMIT,
    LIMITS,
    PACE,
    PATIENCE,
    Campaign,
    Outcome,
    at_work,
    job_of,
    lock_file,
    wait_for,
)  # fmt: skip
from second_user import as_second_user, give_to_first_user

from zigbench.launch import plan
from zigbench.records.folder import RunFolder
from zigbench.records.lock import STALE_AFTER
from zigbench.records.record import Record
from zigbench.runs.process import RunOptions, command
from zigbench.spec import Resources


def preemption_and_node_failure(campaign: Campaign) -> None:
    """An array of four, all put out by a job of a higher partition, and later by the loss of their node."""
    begun = time.monotonic()
    folders = campaign.launch(campaign.cells(4))
    at_work(folders)
    before = min(folder.checkpoint() for folder in folders)
    campaign.slurm.ask(
        "sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 2", timeout=PATIENCE
    )
    wait_for(lambda: not any(folder.holder() for folder in folders), "all four to give way")
    preempted = time.monotonic()
    at_work(folders, beyond=before)
    campaign.slurm.lose_node()
    campaign.judge("preemption", folders, begun, 4, f"gave way within {preempted - begun:.0f} s of launch")
    campaign.outcomes["node failure"] = Outcome(
        "node failure", 4, campaign.outcomes["preemption"].lost, campaign.outcomes["preemption"].changed
    )


def requeue(campaign: Campaign) -> None:
    begun = time.monotonic()
    folders = campaign.launch(campaign.cells(1))
    at_work(folders)
    campaign.slurm.ask("scontrol", "requeue", job_of(folders[0]))
    campaign.judge("scontrol requeue", folders, begun, 1)


def scancel(campaign: Campaign) -> None:
    begun = time.monotonic()
    cells = campaign.cells(1)
    folders = campaign.launch(cells)
    at_work(folders)
    campaign.slurm.ask("scancel", job_of(folders[0]))
    wait_for(lambda: plan(cells, folders[0].path.parent).counts() == {"submitted": 1}, "the run to be free again")
    campaign.launch(cells)
    campaign.judge("scancel, launched again", folders, begun, 1)


def killed_task(campaign: Campaign) -> None:
    """Kill the last task of an array, whose number in SLURM is the array's; its sibling goes on."""
    begun = time.monotonic()
    folders = campaign.launch(campaign.cells(2))
    at_work(folders)
    holder = folders[1].holder()
    assert holder is not None
    os.kill(holder["pid"], signal.SIGKILL)
    killed = time.time()
    wait_for(folders[1].job_ends.exists, "the death to be noticed", 60.0)
    noticed = time.time() - killed
    outcome = campaign.judge("SIGKILL of an array's last task", folders, begun, 1, f"noticed after {noticed:.1f} s")
    restarts = re.search(r"Restarts=(\d+)", campaign.slurm.ask("scontrol", "show", "job", job_of(folders[0])))
    assert restarts is not None
    outcome.duplicated += int(restarts.group(1))


def stopped_worker(campaign: Campaign) -> None:
    """Stop a worker for so long that another takes its run over, and let it continue: it writes nothing more."""
    begun = time.monotonic()
    folders = campaign.launch(campaign.cells(1))
    at_work(folders)
    first, job = folders[0].holder(), job_of(folders[0])
    assert first is not None
    os.kill(first["pid"], signal.SIGSTOP)
    os.utime(lock_file(folders[0]), (time.time() - STALE_AFTER - 1,) * 2)
    pace = {"ZIGBENCH_PACE": str(PACE), "ZIGBENCH_HURRY": str(campaign.hurry(folders[0].read_spec()))}
    line = RunOptions(run=folders[0].path, cpus=1).line
    second = subprocess.Popen(command("zigbench.runs.worker", line), env={**os.environ, **pace})
    try:
        wait_for(lambda: (folders[0].holder() or first)["pid"] == second.pid, "another worker to take the run over")
        at_work(folders)
        os.kill(first["pid"], signal.SIGCONT)
        wait_for(
            lambda: job not in campaign.slurm.ask("squeue", "--noheader", "--array", "--format=%i"), "its job to end"
        )
        campaign.judge("SIGSTOP, taken over, SIGCONT", folders, begun, 1)
    finally:
        second.wait(PATIENCE)


def failing_heartbeat(campaign: Campaign) -> None:
    """Let the heartbeat meet an error of a network file system that passes; the lock stays alive."""
    begun, sign = time.monotonic(), campaign.base / "estale.now"
    folders = campaign.launch(campaign.cells(1), setup=(f"export ZIGBENCH_ESTALE={sign}",))
    at_work(folders)
    sign.touch()
    wait_for(sign.with_suffix(".tried").exists, "a heartbeat to fail")
    sign.unlink()
    lock = lock_file(folders[0])
    os.utime(lock, (0, 0))
    wait_for(lambda: lock.stat().st_mtime > 0, "the next heartbeat")
    campaign.judge("passing error in the heartbeat", folders, begun, 1)


def second_user(campaign: Campaign) -> None:
    """Let another user, who may only read, look at a run at work."""
    begun, root = time.monotonic(), campaign.base / "shared" / "runs"
    folders = campaign.launch(campaign.cells(1), root)
    at_work(folders)
    give_to_first_user(root)
    zigbench = [sys.executable, "-P", "-m", "zigbench.cli"]
    results = ("--results", str(root))
    looks = [as_second_user(*zigbench, *words, *results) for words in (["status"], ["logs", folders[0].id])]
    outcome = campaign.judge("a second user looks", folders, begun, len(looks))
    outcome.changed += sum(look.returncode != 0 for look in looks) + ("running" not in looks[0].stdout)
    outcome.evidence += "".join(look.stderr for look in looks)


def out_of_memory(campaign: Campaign) -> None:
    """A run that outgrows its memory once, and goes on."""
    begun = time.monotonic()
    food = campaign.base / "food"
    folders = campaign.launch(
        campaign.cells(1, Resources(cpus=1, memory_gb=2.0)), setup=(f"export ZIGBENCH_EATS={food}",)
    )
    at_work(folders)
    food.touch()
    campaign.judge("out of memory, once", folders, begun, 1, _how(folders[0]))


def always_out_of_memory(campaign: Campaign) -> None:
    """A run that can't go on: its memory never suffices. It is recorded as that."""
    begun = time.monotonic()
    folders = campaign.launch(campaign.cells(1, Resources(cpus=1, memory_gb=0.1)))
    with contextlib.suppress(TimeoutError):
        wait_for(folders[0].record.exists, "the record of a run that can't go on")
    outcome = Outcome("out of memory, always", 1, seconds=time.monotonic() - begun)
    record = Record.read(folders[0].record) if folders[0].record.exists() else None
    outcome.lost = int(record is None)
    outcome.changed = int(record is not None and record.status != "oom")
    outcome.note = f"recorded as {record.status}" if record else "no record"
    campaign.outcomes[outcome.fault] = outcome


def full_disk(campaign: Campaign) -> None:
    begun = time.monotonic()
    disk = campaign.base / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True, timeout=30)
    try:
        cells = campaign.cells(1)
        root = disk / "runs"
        folders = campaign.launch(cells, root)
        at_work(folders)
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        wait_for(lambda: not folders[0].holder(), "the run to end on a full disk")
        job = job_of(folders[0])
        wait_for(lambda: job not in campaign.slurm.ask("squeue", "--noheader", "--format=%i"), "its job to end")
        filler.unlink()
        wait_for(lambda: plan(cells, root).counts() == {"submitted": 1}, "the run to be free again")
        campaign.launch(cells, root)
        campaign.judge("full disk, launched again", folders, begun, 1)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=30)


def time_limit(campaign: Campaign) -> None:
    """A run that needs more than its limit, again and again."""
    begun = time.monotonic()
    short = Resources(cpus=1, memory_gb=3.0, hours=LIMIT / 3600)
    cells = campaign.cells(1, short, **{"training.steps": CHAINED_STEPS})
    folders = campaign.launch(cells)

    def limits() -> list[dict[str, Any]]:
        job_ends = folders[0].job_ends
        return [json.loads(line) for line in job_ends.read_text().splitlines()] if job_ends.exists() else []

    def over() -> bool:
        # A machine with much else to do may not leave in time; then SLURM ends the job, and a launch resumes the run.
        if plan(cells, folders[0].path.parent).todo:
            campaign.launch(cells)
        return len(limits()) >= LIMITS or folders[0].record.exists()

    wait_for(over, "a chain of jobs", 2 * PATIENCE)
    campaign.judge("time limit", folders, begun, len(limits()))
    assert all(line["status"] == "timeout" for line in limits()), limits()
    steps = [line["checkpoint"] for line in limits()]
    campaign.outcomes["time limit"].note = f"{len(steps) + 1} jobs in a chain, left at steps {steps}"


def _how(folder: RunFolder) -> str:
    wait_for(folder.job_ends.exists, "a death to be noticed")
    return str(json.loads(folder.job_ends.read_text().splitlines()[0])["how"])


SINGLE: tuple[Callable[[Campaign], None], ...] = (
    requeue, scancel, killed_task, stopped_worker, failing_heartbeat, second_user, out_of_memory,
    always_out_of_memory, full_disk,
)  # fmt: skip
