"""The plan of a launch: the runs of a suite, less those that are recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zigbench.launch.estimate import gpu_hours
from zigbench.launch.jobs import run_states
from zigbench.launch.needs import blocked
from zigbench.records.folder import RunFolder, State
from zigbench.records.sources import Sources
from zigbench.spec import Resources
from zigbench.suite import Cell

RETRIABLE = ("failed", "oom", "diverged", "timeout", "damaged", "foreign")


@dataclass(frozen=True)
class Item:
    """A cell of a plan, with the folder and the state of its run.

    Args:
        cell: the cell.
        folder: of its run.
        state: of its run.
        reason: for which its job waits, in SLURM's words; "" where there is none.
        blocked: why it can never begin: what it needs of another run is missing; "" where it can.
    """

    cell: Cell
    folder: RunFolder
    state: State
    reason: str = ""
    blocked: str = ""

    @property
    def shown(self) -> str:
        """The state in the word that a user reads."""
        return "blocked" if self.blocked else self.folder.shown(self.state)

    def to_do(self, retry: Collection[str]) -> bool:
        """Return whether a launch would do the run, if nothing blocks it: it has no record, or its state is retried."""
        return self.state in ("missing", "submitted") or self.state in retry or self.unsound

    @property
    def unsound(self) -> bool:
        """True for a run without a record whose spec is damaged: a launch writes the spec again."""
        return self.state == "damaged" and not self.folder.record.exists()


@dataclass(frozen=True)
class Plan:
    """All cells of a plan, and those of them that a launch would run."""

    items: tuple[Item, ...]
    retry: frozenset[str] = frozenset()

    @property
    def todo(self) -> tuple[Item, ...]:
        """The runs of a launch: those without a record, and those whose state is to be retried, unless blocked."""
        return tuple(item for item in self.items if item.to_do(self.retry) and not item.blocked)

    def classes(self) -> dict[Resources, list[Item]]:
        """Return the runs of a launch by their resources."""
        return by_resources(self.todo)

    @property
    def gpu_hours(self) -> float:
        """GPU-hours of a launch."""
        return sum(r.gpus * r.nodes * r.hours * len(items) for r, items in self.classes().items())

    @property
    def estimated_gpu_hours(self) -> float | None:
        """GPU-hours of the trainings on GPUs of a launch, estimated; None where there are none, or no estimate."""
        trainings = [i.cell.spec for i in self.todo if i.cell.resources.gpus and i.cell.spec.task == "train"]
        return gpu_hours(trainings) if trainings else None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values: each run with state and labels, and the arrays that a launch would submit."""
        return {
            "runs": [{"run": i.folder.id, "state": i.shown, "labels": dict(i.cell.labels)} for i in self.items],
            "todo": len(self.todo),
            "arrays": [{"runs": len(v), "resources": r.model_dump(mode="json")} for r, v in self.classes().items()],
            "gpu_hours": self.gpu_hours,
            "estimated_gpu_hours": self.estimated_gpu_hours,
        }

    def counts(self) -> Counter[str]:
        """Return the number of cells in each state."""
        return Counter(item.state for item in self.items)


def by_resources(items: Iterable[Item]) -> dict[Resources, list[Item]]:
    """Return runs by their resources."""
    classes: dict[Resources, list[Item]] = {}
    for item in items:
        classes.setdefault(item.cell.resources, []).append(item)
    return classes


def plan(cells: Iterable[Cell], root: Path | Sequence[Path], retry: Iterable[str] = ()) -> Plan:
    """Compare cells with the records of their runs.

    Args:
        cells: the runs that are to be recorded.
        root: folder of runs; a pack or a zip of one, or several of these, where nothing is to be run.
        retry: states to run again, of :data:`RETRIABLE`.

    Raises:
        ValueError: a state that can't be retried.
    """
    retry = frozenset(retry)
    for state in sorted(retry):
        if state not in RETRIABLE:
            raise ValueError(f"cannot retry {state!r}; allowed: {', '.join(RETRIABLE)}")
    sources = Sources.of(root)
    folders = [(cell, sources.folder(cell.spec.id)) for cell in cells]
    by_run = run_states([folder for _, folder in folders])
    packed = sources.packed(
        folder.id for (_, folder), run in zip(folders, by_run, strict=True) if run.state == "missing"
    )
    items = tuple(
        Item(cell, folder, packed[folder.id].status if folder.id in packed else run.state, run.reason)
        for (cell, folder), run in zip(folders, by_run, strict=True)
    )
    if any(item.cell.spec.needs for item in items):

        def look_up(run: str) -> tuple[RunFolder, State]:
            folder = sources.folder(run)
            return folder, run_states([folder])[0].state

        reasons = blocked(items, {item.folder.id for item in items if item.to_do(retry)}, look_up)
        items = tuple(
            replace(item, blocked=reasons.get(item.folder.id, "") if item.to_do(retry) else "") for item in items
        )
    return Plan(items, retry)


def describe(items: Sequence[Item]) -> str:
    """Describe the counts by state: "27 runs: 20 ok, 7 missing"."""
    counts = Counter(item.shown for item in items)
    noun = "run" if len(items) == 1 else "runs"
    return f"{len(items)} {noun}: " + (", ".join(f"{n} {state}" for state, n in counts.most_common()) or "none")
