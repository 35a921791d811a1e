"""From what was typed to a plan, and from a plan to its page."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zigbench.launch import Plan
    from zigbench.suite import Cell, Suite


def make_plan(
    name: str,
    profile: str | None,
    only: Sequence[str] | None,
    set_: Sequence[str] | None,
    retry: Sequence[str] | None,
    results: Path,
) -> tuple[Suite, Plan]:
    from zigbench import launch
    from zigbench.settings import parse_assignment
    from zigbench.suite import expand, load

    suite = load(name).profile(profile)
    cells = list(expand(suite, dict(map(parse_assignment, set_ or ())), only or ()))
    if not cells:
        raise ValueError(f"no run of {name} matches {' and '.join(only or ())}")
    return suite, launch.plan(cells, results, retry or ())


def recorded(name: str, results: Path) -> Iterator[tuple[Suite, list[Cell]]]:
    """A registered suite and its profiles, those of which at least one run is recorded, with their cells.

    Raises:
        ValueError: the suite is broken, or what it asks for is.
    """
    from zigbench.suite import expand, load

    suite = load(name)
    for profile in (None, *suite.profiles):
        cells = list(expand(suite.profile(profile)))
        if any((results / cell.spec.id / "record.json").exists() for cell in cells):
            yield suite.profile(profile), cells


def write_report(suite: Suite, cells: list[Cell], results: Path, reports: Path) -> Path:
    from zigbench.report import write

    command = " ".join(["zigbench", *sys.argv[1:]])
    return write(suite, cells, root=results, out=reports / suite.name, command=command)
