"""Runs that faults are injected into, their undisturbed twins, and what is counted at the end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster import LocalSlurm

from zigbench.launch import Cluster, launch_local, launch_slurm, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
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
        duplicated: jobs beyond one for each run.
        seconds: from the first of them to the last record.
        note: what else was seen.
        evidence: what the folders of lost runs hold.
    """

    fault: str
    tried: int = 0
    lost: int = 0
    changed: int = 0
    duplicated: int = 0
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

    def launch(
        self, cells: Sequence[Cell], root: Path | None = None, setup: tuple[str, ...] = (), **options: bool
    ) -> list[RunFolder]:
        """Submit, with further options of sbatch; their folders."""
        root = root or self.base / "slurm" / "runs"
        paced = (f"export ZIGBENCH_PACE={PACE}", f"export ZIGBENCH_HURRY={self.hurry(cells[0].spec)}")
        cluster = Cluster(notice_seconds=NOTICE, setup=(*paced, *setup), options=options)
        launch_slurm(plan(cells, root), cluster, root, name="faults", frozen=True)
        return [RunFolder.of(cell.spec, root) for cell in cells]

    def judge(self, name: str, folders: Sequence[RunFolder], begun: float, tried: int, note: str = "") -> Outcome:
        """Let the runs go, wait for their records and hold these against those of twins left alone."""
        self.hurry(folders[0].read_spec()).touch()
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
        return outcome

    def hurry(self, spec: RunSpec) -> Path:
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


def lock_file(folder: RunFolder) -> Path:
    """The file of the lock on a run at work, whose time is the last heartbeat."""
    return max(folder.path.glob("claim.*"))


def at_work(folders: Sequence[RunFolder], beyond: int = 0) -> None:
    """Wait until all runs train, and have a checkpoint."""
    wait_for(
        lambda: all(done(folder) > beyond and folder.checkpoint() > beyond for folder in folders),
        f"runs at work: {[(done(f), f.checkpoint(), f.state()) for f in folders]}",
    )


def job_of(folder: RunFolder) -> str:
    return str(folder.read_job()["job"])
