"""The command that prints the output and the log of one run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from zigbench.cli import completion
from zigbench.cli.options import RUNS, Results, app, out
from zigbench.launch import last_log
from zigbench.records.folder import RunFiles, RunFolder
from zigbench.records.sources import Sources

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of one.", autocompletion=completion.runs)
]

INTERVAL = 0.5
"""Seconds between two reads for new lines."""


@app.command()
def logs(
    run: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the run until it is done.")] = False,
    results: Results = RUNS,
) -> None:
    """Print the output and the log of a run."""
    for line in log_lines(Sources.of(results).find(run), follow=follow):
        out.print(line, markup=False)


def log_lines(run: RunFiles, *, follow: bool) -> Iterator[str]:
    """Yield the lines of a run's output and log; with ``follow`` also those to come, until its record is written.

    For a run without any output these are the lines of its last job.
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
        time.sleep(INTERVAL)


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
