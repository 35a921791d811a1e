"""Faults of machines and schedulers, injected into runs at work."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from campaign import (
    CHAINED_STEPS,
    LIMIT,
    LIMITS,
    PATIENCE,
    Campaign,
    Outcome,
    at_work,
    job_of,
    wait_for,
)  # fmt: skip

from zigbench.launch import plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources


def preemption_and_node_failure(campaign: Campaign) -> None:
    """An array of eight, all put out by a job of a higher partition, and later by the loss of their node."""
    begun = time.monotonic()
    folders = campaign.launch(campaign.cells(8))
    at_work(folders)
    before = min(folder.checkpoint() for folder in folders)
    campaign.slurm.ask(
        "sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 2", timeout=PATIENCE
    )
    wait_for(lambda: not any(folder.holder() for folder in folders), "all eight to give way")
    preempted = time.monotonic()
    at_work(folders, beyond=before)
    campaign.slurm.lose_node()
    campaign.judge("preemption", folders, begun, 8, f"gave way within {preempted - begun:.0f} s of launch")
    campaign.outcomes["node failure"] = Outcome(
        "node failure", 8, campaign.outcomes["preemption"].lost, campaign.outcomes["preemption"].changed
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
    begun = time.monotonic()
    folders = campaign.launch(campaign.cells(1))
    at_work(folders)
    holder = folders[0].holder()
    assert holder is not None
    os.kill(holder["pid"], signal.SIGKILL)
    killed = time.time()
    wait_for(folders[0].job_ends.exists, "the death to be noticed", 60.0)
    noticed = time.time() - killed
    campaign.judge("SIGKILL of the task", folders, begun, 1, f"noticed after {noticed:.1f} s")


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
    folders = campaign.launch(campaign.cells(1, short, **{"training.steps": CHAINED_STEPS}))

    def limits() -> list[dict[str, Any]]:
        job_ends = folders[0].job_ends
        return [json.loads(line) for line in job_ends.read_text().splitlines()] if job_ends.exists() else []

    wait_for(lambda: len(limits()) >= LIMITS or folders[0].record.exists(), "a chain of jobs", 2 * PATIENCE)
    campaign.judge("time limit", folders, begun, len(limits()))
    assert all(line["status"] == "timeout" for line in limits()), limits()
    steps = [line["checkpoint"] for line in limits()]
    campaign.outcomes["time limit"].note = f"{len(steps) + 1} jobs in a chain, left at steps {steps}"


def _how(folder: RunFolder) -> str:
    wait_for(folder.job_ends.exists, "a death to be noticed")
    return str(json.loads(folder.job_ends.read_text().splitlines()[0])["how"])


SINGLE: tuple[Callable[[Campaign], None], ...] = (
    requeue, scancel, killed_task, out_of_memory, always_out_of_memory, full_disk,
)  # fmt: skip
