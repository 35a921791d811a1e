"""Runs that need the weights of other runs: the order in which they are done, and why one cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from zigbench.records.folder import RunFolder, State, without_weights
from zigbench.suite import Cell

COMING: tuple[State, ...] = ("running", "pending", "foreign")
"""States of a run that another process does, or that has a job."""


class Planned(Protocol):
    """A run of a plan, as far as this module reads it."""

    @property
    def cell(self) -> Cell:
        """The cell."""

    @property
    def folder(self) -> RunFolder:
        """The folder of its run."""

    @property
    def state(self) -> State:
        """The state of its run."""


P = TypeVar("P", bound=Planned)


def stages(items: Sequence[P]) -> list[list[P]]:
    """Return runs in stages, each of which needs runs of earlier ones only; one stage where none needs another."""
    by_run = {item.folder.id: item for item in items}
    depths: dict[str, int] = {}

    def depth(item: P) -> int:
        run = item.folder.id
        if run not in depths:
            needs = item.cell.spec.needs
            depths[run] = max((1 + depth(by_run[need]) for need in needs if need in by_run), default=0)
        return depths[run]

    by_depth: dict[int, list[P]] = {}
    for item in items:
        by_depth.setdefault(depth(item), []).append(item)
    return [by_depth[level] for level in sorted(by_depth)]


def blocked(
    items: Sequence[Planned], planned: Collection[str], look_up: Callable[[str], tuple[RunFolder, State]]
) -> dict[str, str]:
    """Return by id why runs can never begin: what they need has failed, is not planned, or has no weights here.

    Args:
        items: all runs of a plan.
        planned: ids of those that it does, if nothing blocks them.
        look_up: returns folder and state of a run outside of the plan.
    """
    by_run = {item.folder.id: item for item in items}
    reasons: dict[str, str] = {}

    def reason(run: str) -> str:
        if run not in reasons:
            needs = by_run[run].cell.spec.needs
            reasons[run] = next((problem for need in needs if (problem := problem_of(need))), "")
        return reasons[run]

    def problem_of(need: str) -> str:
        folder, state = (by_run[need].folder, by_run[need].state) if need in by_run else look_up(need)
        if state == "ok":
            return without_weights(folder)
        if need in planned:
            return f"needs run {need}, which is blocked" if reason(need) else ""
        return "" if state in COMING else f"needs run {need}, which is {folder.shown(state)}"

    return {item.folder.id: why for item in items if item.cell.spec.needs and (why := reason(item.folder.id))}
