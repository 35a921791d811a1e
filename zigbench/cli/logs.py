"""Runs as they go: a table of a suite that stays up to date, and the log of one run."""

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
"""Seconds between two looks."""

ROWS = 40
"""Rows beyond which a table shows only the runs that there is something to say of."""

OPEN: tuple[State, ...] = ("submitted", "pending", "foreign", "running")
SILENT: tuple[State, ...] = ("ok", "missing", "submitted", "pending", "foreign")


def suite_status(items: Sequence[Item], *, room: int | None = None) -> tuple[RenderableType, bool]:
    """A suite's runs as a table, and whether one of them may still change.

    Args:
        items: the runs.
        room: lines that there are; None for as many as it takes.
    """
    said = [f"{describe(items)}.", *_remarks(items)]
    # The header, the line between, and the one that the cursor is left on.
    rows = ROWS if room is None else max(0, min(ROWS, room - len(said) - 3))
    shown = list(items)
    if len(shown) > rows:
        shown = [item for item in shown if item.state not in SILENT][:rows]
    parts: list[RenderableType] = [state_table(shown, one_line=room is not None), Text()] if shown else []
    return Group(*parts, *map(Text, said)), any(item.state in OPEN for item in items)


def _remarks(items: Sequence[Item]) -> Iterator[str]:
    """What a reader of the counts must know."""
    if any(item.state == "foreign" for item in items):
        yield "foreign: another user's or cluster's job; `--retry foreign` does it here."
    done = [
        record
        for root in {item.folder.path.parent for item in items}
        for _, record in cache.read(root, [item.folder.id for item in items])[0]
    ]
    other = sum("submitted_code" in record.environment for record in done)
    if other:
        yield f"{other} done with other code than submitted; `--snapshot` keeps the code of a launch."


def total_status(roots: Path | Sequence[Path]) -> tuple[RenderableType, bool]:
    """All runs of a results folder by state, and whether one of them may still change."""
    sources = Sources.of(roots)
    folders = [RunFolder(path.parent) for root in sources.folders for path in sorted(root.glob("*/spec.json"))]
    known = {folder.id for folder in folders}
    found = Counter(states(folders))
    found.update(record.status for run, record in sources.packed().items() if run not in known)
    rows = [(state, str(count)) for state, count in found.most_common()]
    return plain_table(("state", "runs"), rows), any(found[state] for state in OPEN)


def show(look: Callable[[], tuple[RenderableType, bool]], console: Console, watch: bool) -> None:
    """Print what a look gives, once or until nothing can change any more."""
    picture, changing = look()
    if not watch:
        console.print(picture)
        return
    with Live(picture, console=console, auto_refresh=False) as live:
        while changing:
            time.sleep(INTERVAL)
            picture, changing = look()
            live.update(picture, refresh=True)


def log_lines(run: RunFiles, *, follow: bool) -> Iterator[str]:
    """What a run has printed, then what it has logged; with ``follow`` what comes, until its record is there.

    Of a run that never came to print anything, what its last job printed before it.
    """
    if not isinstance(run, RunFolder):
        yield from map(_said, (run.read("log.jsonl") or b"").decode().splitlines())
        return
    folder = run
    ends = dict.fromkeys((folder.output, folder.log), 0)
    while True:
        finished = folder.record.exists()
        for path in ends:
            whole, ends[path] = _new_lines(path, ends[path])
            yield from (_said(line) if path == folder.log else line for line in whole)
        if not follow or finished:
            log = last_log(folder)
            if log and log.exists() and not any(ends.values()):
                yield from log.read_text(errors="replace").splitlines()
            return
        time.sleep(INTERVAL / 4)


def _new_lines(path: Path, start: int) -> tuple[list[str], int]:
    """Whole lines of a file after byte ``start``, and where they end; a file that was cut back is read from its end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(min(start, size))
            text = file.read()
    except FileNotFoundError:
        return [], start
    whole = text[: text.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), min(start, size) + len(whole)


def _said(line: str) -> str:
    """A line of the log in words: "step 120  loss 0.41  lr 0.005"."""
    try:
        figures = json.loads(line)
    except ValueError:
        return line
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()
    )
