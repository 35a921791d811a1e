"""Plan what a suite still lacks: desired less recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zigbench.launch.reconcile import states
from zigbench.records.folder import RunFolder, State
from zigbench.spec import Resources
from zigbench.suite import Cell

RETRIABLE = ("failed", "oom", "diverged", "timeout", "damaged", "foreign")


@dataclass(frozen=True)
class Item:
    """A cell of a plan, its folder and what the folder says of it."""

    cell: Cell
    folder: RunFolder
    state: State


@dataclass(frozen=True)
class Plan:
    """Every cell asked for, and which of them a launch would run."""

    items: tuple[Item, ...]
    retry: frozenset[str] = frozenset()

    @property
    def todo(self) -> tuple[Item, ...]:
        """What a launch would run: what has no record, and what failed in a way to be retried."""
        return tuple(i for i in self.items if i.state in ("missing", "submitted") or i.state in self.retry)

    def classes(self) -> dict[Resources, list[Item]]:
        """What a launch would run, by the resources that are asked for."""
        found: dict[Resources, list[Item]] = {}
        for item in self.todo:
            found.setdefault(item.cell.resources, []).append(item)
        return found

    @property
    def gpu_hours(self) -> float:
        """GPU-hours that a launch would ask for."""
        return sum(r.gpus * r.nodes * r.hours * len(items) for r, items in self.classes().items())

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values: every run with its state and labels, and the arrays that a launch would submit."""
        return {
            "runs": [{"run": i.folder.id, "state": i.state, "labels": dict(i.cell.labels)} for i in self.items],
            "todo": len(self.todo),
            "arrays": [{"runs": len(v), "resources": r.model_dump(mode="json")} for r, v in self.classes().items()],
            "gpu_hours": self.gpu_hours,
        }

    def counts(self) -> Counter[str]:
        """How many cells are in each state."""
        return Counter(item.state for item in self.items)


def plan(cells: Iterable[Cell], root: Path, retry: Iterable[str] = ()) -> Plan:
    """Compare what is asked for with what is recorded.

    Args:
        cells: the runs that are wanted.
        root: results folder.
        retry: states to run again, of :data:`RETRIABLE`.

    Raises:
        ValueError: a state that can't be retried.
    """
    for state in retry:
        if state not in RETRIABLE:
            raise ValueError(f"can't retry {state!r}; allowed: {', '.join(RETRIABLE)}")
    folders = [(cell, RunFolder.of(cell.spec, root)) for cell in cells]
    found = states([folder for _, folder in folders])
    items = (Item(cell, folder, state) for (cell, folder), state in zip(folders, found, strict=True))
    return Plan(tuple(items), frozenset(retry))


def describe(items: Sequence[Item]) -> str:
    """Counts by state in words: "27 runs: 20 ok, 7 missing"."""
    counts = Counter(item.state for item in items)
    noun = "run" if len(items) == 1 else "runs"
    return f"{len(items)} {noun}: " + (", ".join(f"{n} {state}" for state, n in counts.most_common()) or "none")
