"""The command that shows the states of runs: a table that can stay up to date."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from zigbench.cli import completion
from zigbench.cli.options import RUNS, Arm, Only, Profile, Results, Set, app, out
from zigbench.cli.planning import make_plan
from zigbench.cli.render import STYLES, plain_table, progress_line
from zigbench.launch import Item, Job, describe, run_states
from zigbench.records import cache
from zigbench.records.folder import RunFolder, State
from zigbench.records.record import Record
from zigbench.records.sources import Sources

INTERVAL = 2.0
"""Seconds between two updates."""

ROWS = 40
"""Rows beyond which a table shows only the runs that have a remark."""

IDLE_LOOKS = 2
"""Looks without a change after which no run can change any more: between two runs a launch may hold none."""

UNFINISHED: tuple[State, ...] = ("pending", "foreign", "running")
WITHOUT_REMARK: tuple[State, ...] = ("ok", "missing", "submitted", "pending", "foreign")


@app.command()
def status(
    suite: Annotated[
        str | None,
        typer.Argument(
            metavar="[SUITE]", help="A suite; without one, all runs by state.", autocompletion=completion.suites
        ),
    ] = None,
    profile: Profile = None,
    arm: Arm = None,
    only: Only = None,
    set_: Set = None,
    watch: Annotated[bool, typer.Option("--watch", help="Update the table until no run can change any more.")] = False,
    results: Results = RUNS,
) -> None:
    """Show the states of a suite's runs, read from their files and the queue."""
    if suite is None:
        show(lambda: total_status(results), out, watch)
    else:

        def look() -> tuple[RenderableType, bool]:
            items = make_plan(suite, profile, only, set_, None, results, arm)[1].items
            return suite_status(items, room=out.height if watch else None)

        show(look, out, watch)


def suite_status(items: Sequence[Item], *, room: int | None = None) -> tuple[RenderableType, bool]:
    """Return a suite's runs as a table, and whether one of them may still change.

    Args:
        items: the runs.
        room: lines of the terminal; None without a limit.
    """
    lines = [f"{describe(items)}.", *_remarks(items)]
    # Three lines for the header, the empty one below the table, and the cursor.
    rows = ROWS if room is None else max(0, min(ROWS, room - len(lines) - 3))
    shown = list(items)
    if len(shown) > rows:
        shown = [item for item in shown if item.blocked or item.state not in WITHOUT_REMARK][:rows]
    parts: list[RenderableType] = [StateTable(shown, one_line=room is not None), Text()] if shown else []
    return Group(*parts, *map(Text, lines)), any(item.state in UNFINISHED for item in items)


def _remarks(items: Sequence[Item]) -> Iterator[str]:
    """Yield sentences that explain the counts."""
    yield from _waiting(item.reason for item in items)
    if any(item.state == "foreign" for item in items):
        yield "foreign: the job of another user or cluster; `--retry foreign` runs it here."
    done = [
        record
        for root in {item.folder.path.parent for item in items}
        for _, record in cache.read(root, [item.folder.id for item in items])[0]
    ]
    other = sum("submitted_code" in record.environment for record in done)
    if other:
        yield f"{other} done with other code than submitted; `--snapshot` fixes the code of a launch."


def _waiting(reasons: Iterable[str]) -> Iterator[str]:
    """Yield a sentence on the reasons for which jobs wait; nothing where none waits."""
    counts = Counter(filter(None, reasons))
    if counts:
        words = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        yield f"SLURM's reasons for pending jobs: {words}."


def total_status(roots: Path | Sequence[Path]) -> tuple[RenderableType, bool]:
    """Return the number of runs in each state as a table, and whether one of them may still change."""
    sources = Sources.of(roots)
    folders = [RunFolder(path.parent) for root in sources.folders for path in sorted(root.glob("*/spec.json"))]
    known = {folder.id for folder in folders}
    by_run = run_states(folders)
    counts = Counter(folder.shown(run.state) for folder, run in zip(folders, by_run, strict=True))
    counts.update(record.status for run, record in sources.packed().items() if run not in known)
    rows = [(state, str(count)) for state, count in counts.most_common()]
    lines = [Text(line) for line in _waiting(run.reason for run in by_run)]
    return Group(plain_table(("state", "runs"), rows), *lines), any(counts[state] for state in UNFINISHED)


def show(look: Callable[[], tuple[RenderableType, bool]], console: Console, watch: bool) -> None:
    """Print the table that ``look`` returns, once, or updated until no run can change any more."""
    table, changing = look()
    if not watch:
        console.print(table)
        return
    with Live(table, console=console, auto_refresh=False) as live:
        idle = 0 if changing else IDLE_LOOKS
        while idle < IDLE_LOOKS:
            time.sleep(INTERVAL)
            table, changing = look()
            idle = 0 if changing else idle + 1
            live.update(table, refresh=True)


class StateTable:
    """A table of runs with labels, id, state, and a remark: the progress, the job or the error.

    One line a run, so that ten thousand take a moment: a table of rich would wrap and measure every cell.

    Args:
        items: the runs.
        one_line: cut each row to one line of the terminal.
    """

    def __init__(self, items: Sequence[Item], *, one_line: bool = False) -> None:
        axes = list(items[0].cell.labels) if items else []
        self.one_line = one_line
        self.states = [item.shown for item in items]
        self.rows = [(*axes, "run", "state", "")]
        self.rows += [
            (*(item.cell.labels[axis] for axis in axes), item.folder.id, shown, remark(item))
            for item, shown in zip(items, self.states, strict=True)
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        widths = [max(map(cell_len, column)) for column in list(zip(*self.rows, strict=True))[:-1]]
        header, dim = console.get_style("bold"), console.get_style("dim")
        styles: dict[str, Style] = {state: console.get_style(STYLES.get(state, "none")) for state in self.states}
        for state, (*cells, text) in zip(("", *self.states), self.rows, strict=True):
            *padded, last = (set_cell_size(cell, width) for cell, width in zip(cells, widths, strict=True))
            line = [Segment("  ".join((*padded, "")), None if state else header)]
            line += [Segment(last, styles[state] if state else header), Segment(f"  {text}" if text else "", dim)]
            yield from Segment.adjust_line_length(line, options.max_width, pad=False) if self.one_line else line
            yield Segment.line()


def remark(item: Item) -> str:
    """Return what a run's state alone does not say: its progress, its job, or the reason why it waits or failed."""
    if item.blocked:
        return item.blocked
    if item.state == "running":
        return progress_line(item.folder)
    if item.state == "foreign":
        return str(Job.read(item.folder) or "")
    if item.shown == "interrupted":
        return f"resumes from step {item.folder.checkpoint():,}"
    if item.state == "pending":
        return item.reason
    return "" if item.state in ("ok", "missing", "submitted") else reason(item)


def reason(item: Item) -> str:
    """Return the reason why a run has no result, in one line."""
    try:
        if item.state == "damaged" and not item.folder.record.exists():
            item.folder.check_spec()
            return ""
        record = Record.read(item.folder.record)
    except ValueError as error:
        return str(error)
    if record.error is None:
        return ""
    first, _, _ = record.error.message.partition("\n")
    return f"{record.error.kind}: {first}" if first else record.error.kind
