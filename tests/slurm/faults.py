"""Inject every fault that a cluster has into runs at work, and count what is lost: ``python faults.py``.

Each run that is hit has a twin that is left alone on this machine. Once all is over the records and the logs of both
are held against each other; what differs, or is not there, is counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from cluster import LocalSlurm, missing

from zigbench.launch import Cluster, launch_local, launch_slurm, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.spec.registry import load_plugin
from zigbench.suite import Cell

PATIENCE = 600.0
"""Seconds that anything may take: on a machine with much else to do ten times what it needs alone."""

PACE = 0.5
"""Seconds that a step takes at least until all that shall befall the run has: however fast or slow the machine, and
whichever of eight runs starts first, the fault finds them at work."""

STEPS = 200
LIMIT = 120
"""Seconds that a job of the chain may take: in less, a busy machine may not reach its first step."""

LIMITS = 2
"""Time limits that the chain reaches before it is let go."""

CHAINED_STEPS = round(1.25 * LIMITS * LIMIT / PACE)
"""At that pace longer than the chain's jobs are allowed to take."""

NOTICE = 10
"""Seconds before the time limit at which a run is told to leave; SLURM says it up to half a minute early."""

BASE = {
    "backbone.name": "zigma",
    "backbone.config.width": 8,
    "backbone.config.depth": 1,
    "data.name": "paced-digits",
    "training.batch": 8,
    "training.ema": 0.9,
    "training.checkpoint_seconds": 1.0,
    "training.log_every": 10,
}
SMALL = Resources(cpus=1, memory_gb=3.0, hours=1.0)


@dataclass
class Outcome:
    """The outcome of one kind of fault.

    Attributes:
        fault: what was done.
        tried: how often.
        lost: runs without a sound record at the end.
        changed: runs whose record or log differs from the twin's.
        seconds: from the first of them to the last record.
        note: what else was seen.
        evidence: what the folders of lost runs hold.
    """

    fault: str
    tried: int = 0
    lost: int = 0
    changed: int = 0
    seconds: float = 0.0
    note: str = ""
    evidence: str = field(default="", repr=False)


@dataclass
class Campaign:
    """Runs, their twins, and the cluster they are hit on.

    Args:
        slurm: the cluster.
        base: folder for results.
    """

    slurm: LocalSlurm
    base: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _seed: int = 0

    def cells(self, count: int, resources: Resources = SMALL, **changes: object) -> list[Cell]:
        """New runs that differ from all others by their seed."""
        made = []
        for _ in range(count):
            spec = RunSpec.parse({**BASE, "training.steps": STEPS, **changes, "seed": self._seed})
            made.append(Cell({"seed": str(self._seed)}, spec, resources))
            self._seed += 1
        return made

    def launch(self, cells: Sequence[Cell], root: Path | None = None, setup: tuple[str, ...] = ()) -> list[RunFolder]:
        """Submit; their folders."""
        root = root or self.base / "slurm" / "runs"
        paced = (f"export ZIGBENCH_PACE={PACE}", f"export ZIGBENCH_HURRY={self._hurry(cells[0].spec)}")
        cluster = Cluster(notice_seconds=NOTICE, setup=(*paced, *setup))
        launch_slurm(plan(cells, root), cluster, root, name="faults", frozen=True)
        return [RunFolder.of(cell.spec, root) for cell in cells]

    def judge(self, name: str, folders: Sequence[RunFolder], begun: float, tried: int, note: str = "") -> None:
        """Let the runs go, wait for their records and hold these against those of twins left alone."""
        self._hurry(folders[0].read_spec()).touch()
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: all(folder.record.exists() for folder in folders), f"records after {name}")
        outcome = Outcome(name, tried, seconds=time.monotonic() - begun, note=note)
        twins = self.twins(folders)
        for folder, twin in zip(folders, twins, strict=True):
            if not folder.record.exists() or Record.read(folder.record).status != "ok":
                outcome.lost += 1
                outcome.evidence += evidence(folder)
            elif substance(folder) != substance(twin):
                outcome.changed += 1
        self.outcomes[name] = outcome

    def _hurry(self, spec: RunSpec) -> Path:
        """The file that lets runs go, by the first of them."""
        return self.base / f"hurry-{spec.seed}"

    _twins = threading.Lock()

    def twins(self, folders: Sequence[RunFolder]) -> list[RunFolder]:
        """The same runs left alone on this machine."""
        root = self.base / "twins" / "runs"
        cells = [Cell({}, folder.read_spec()) for folder in folders]
        with self._twins:
            for _ in launch_local(plan(cells, root), SMALL, root, workers=2):
                pass
        return [RunFolder.of(cell.spec, root) for cell in cells]


def substance(folder: RunFolder) -> tuple[object, ...]:
    """Return the parts of a run that no interruption may change: its record without the commit, and its log."""
    record = Record.read(folder.record).model_dump(mode="json")
    record["environment"].pop("code")
    record["environment"].pop("submitted_code", None)
    return record, folder.log.read_bytes()


def evidence(folder: RunFolder) -> str:
    """The files of a run and of its jobs, with the ends of those that tell what happened."""
    telling = [folder.record, folder.job, folder.job_ends, folder.output]
    telling += sorted((folder.path.parents[1] / "jobs").glob("*_log.*"))
    names = sorted(path.name for path in folder.path.iterdir())
    tails = [f"== {path}\n{path.read_text(errors='replace')[-1500:]}" for path in telling if path.exists()]
    return "\n".join([f"{folder.path}: {names}", *tails, ""])


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.1)


def done(folder: RunFolder) -> int:
    """Steps of training that a run at work has done."""
    return int(folder.read_progress().get("done", 0)) if folder.holder() else 0


def at_work(folders: Sequence[RunFolder], beyond: int = 0) -> None:
    """Wait until all runs train, and have a checkpoint."""
    wait_for(
        lambda: all(done(folder) > beyond and folder.checkpoint() > beyond for folder in folders),
        f"runs at work: {[(done(f), f.checkpoint(), f.state()) for f in folders]}",
    )


def job_of(folder: RunFolder) -> str:
    return str(folder.read_job()["job"])


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


SINGLE: tuple[Callable[[Campaign], None], ...] = (
    requeue, scancel, killed_task, out_of_memory, always_out_of_memory, full_disk,
)  # fmt: skip


def _how(folder: RunFolder) -> str:
    wait_for(folder.job_ends.exists, "a death to be noticed")
    return str(json.loads(folder.job_ends.read_text().splitlines()[0])["how"])


def run(slurm: LocalSlurm, base: Path) -> list[Outcome]:
    """The whole campaign."""
    load_plugin(str(Path(__file__).with_name("paced.py")))
    campaign = Campaign(slurm, base)
    errors: list[str] = []

    def inject(fault: Callable[[Campaign], None]) -> None:
        try:
            fault(campaign)
        except Exception as error:
            errors.append(f"{fault.__name__}: {type(error).__name__}: {error}")

    inject(preemption_and_node_failure)
    # Not before: eight programs that start at once leave a job with a limit too little of it.
    threads = [threading.Thread(target=inject, args=(fault,)) for fault in (time_limit, *SINGLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise RuntimeError("; ".join(errors))
    return list(campaign.outcomes.values())


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as text."""
    head = f"{'fault':28}{'tried':>6}{'records lost':>14}{'results changed':>17}{'seconds':>9}  note"
    rows = [f"{o.fault:28}{o.tried:6}{o.lost:14}{o.changed:17}{o.seconds:9.0f}  {o.note}" for o in outcomes]
    total = [sum(getattr(o, name) for o in outcomes) for name in ("tried", "lost", "changed")]
    rows.append(f"{'all':28}{total[0]:6}{total[1]:14}{total[2]:17}")
    return "\n".join(line.rstrip() for line in (head, *rows))


def main() -> None:
    why = missing()
    if why:
        sys.exit(f"no SLURM can be started here: {why}")
    with tempfile.TemporaryDirectory(prefix="zb-") as name, LocalSlurm(Path(name) / "slurm", cpus=10) as slurm:
        outcomes = run(slurm, Path(name) / "results")
    sys.stdout.write(table(outcomes) + "\n")
    sys.exit(any(outcome.lost or outcome.changed for outcome in outcomes))


if __name__ == "__main__":
    main()
