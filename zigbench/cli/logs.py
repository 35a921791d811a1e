"""The states of runs as a table that can stay up to date, and the log of one run."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from zigbench.cli.render import plain_table, state_table
from zigbench.launch import Item, describe, last_log, states
from zigbench.records import cache
from zigbench.records.folder import RunFiles, RunFolder, State
from zigbench.records.sources import Sources

INTERVAL = 2.0
"""Seconds between two updates."""

ROWS = 40
"""Rows beyond which a table shows only the runs that have a remark."""

UNFINISHED: tuple[State, ...] = ("submitted", "pending", "foreign", "running")
WITHOUT_REMARK: tuple[State, ...] = ("ok", "missing", "submitted", "pending", "foreign")


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
        shown = [item for item in shown if item.state not in WITHOUT_REMARK][:rows]
    parts: list[RenderableType] = [state_table(shown, one_line=room is not None), Text()] if shown else []
    return Group(*parts, *map(Text, lines)), any(item.state in UNFINISHED for item in items)


def _remarks(items: Sequence[Item]) -> Iterator[str]:
    """Yield sentences that explain the counts."""
    if any(item.state == "foreign" for item in items):
        yield "foreign: the job of another user or cluster; `--retry foreign` runs it here."
    done = [
        record
        for root in {item.folder.path.parent for item in items}
        for _, record in cache.read(root, [item.folder.id for item in items])[0]
    ]
    other = sum("submitted_code" in record.environment for record in done)
    if other:
        yield f"{other} done with other code than submitted; `--snapshot` keeps the code of a launch."


def total_status(roots: Path | Sequence[Path]) -> tuple[RenderableType, bool]:
    """Return the number of runs in each state as a table, and whether one of them may still change."""
    sources = Sources.of(roots)
    folders = [RunFolder(path.parent) for root in sources.folders for path in sorted(root.glob("*/spec.json"))]
    known = {folder.id for folder in folders}
    counts = Counter(states(folders))
    counts.update(record.status for run, record in sources.packed().items() if run not in known)
    rows = [(state, str(count)) for state, count in counts.most_common()]
    return plain_table(("state", "runs"), rows), any(counts[state] for state in UNFINISHED)


def show(look: Callable[[], tuple[RenderableType, bool]], console: Console, watch: bool) -> None:
    """Print the table that ``look`` returns, once, or updated until no run can change any more."""
    table, changing = look()
    if not watch:
        console.print(table)
        return
    with Live(table, console=console, auto_refresh=False) as live:
        while changing:
            time.sleep(INTERVAL)
            table, changing = look()
            live.update(table, refresh=True)


def log_lines(run: RunFiles, *, follow: bool) -> Iterator[str]:
    """Yield the lines of a run's output and log; with ``follow`` also those to come, until its record is written.

    For a run without any output these are the lines that its last job printed before it.
    """
    if not isinstance(run, RunFolder):
        yield from map(_log_line, (run.read("log.jsonl") or b"").decode().splitlines())
        return
    folder = run
    ends = dict.fromkeys((folder.output, folder.log), 0)
    while True:
        finished = folder.record.exists()
        for path in ends:
            whole, ends[path] = _new_lines(path, ends[path])
            yield from (_log_line(line) if path == folder.log else line for line in whole)
        if not follow or finished:
            log = last_log(folder)
            if log and log.exists() and not any(ends.values()):
                yield from log.read_text(errors="replace").splitlines()
            return
        time.sleep(INTERVAL / 4)


def _new_lines(path: Path, start: int) -> tuple[list[str], int]:
    """Return the whole lines of a file after byte ``start``, and their end; a file that was cut: from its end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(min(start, size))
            text = file.read()
    except FileNotFoundError:
        return [], start
    whole = text[: text.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), min(start, size) + len(whole)


def _log_line(line: str) -> str:
    """Return a line of the log as text: "step 120  loss 0.41  lr 0.005"."""
    try:
        figures = json.loads(line)
    except ValueError:
        return line
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()
    )
