"""Tables of names and states for the terminal, and a live view of a launch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zigbench.launch import Event, Item, Job, Plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import DamagedRecordError, Record

STYLES = {
    "ok": "green", "running": "cyan", "missing": "dim", "submitted": "yellow", "pending": "blue",
    "foreign": "blue", "failed": "red", "oom": "red", "diverged": "red", "timeout": "red", "damaged": "bold red",
    "busy": "yellow", "error": "bold red",
}  # fmt: skip


def duration(seconds: float) -> str:
    """Return seconds in words: "8 s", "2 min 05 s", "3 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table without lines; text is shown as it is, without markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def state_table(items: Sequence[Item], title: str = "", *, one_line: bool = False) -> Table:
    """Return a table of runs with labels, state, and a remark: the progress, the job or the error.

    Args:
        items: the runs.
        title: of the table.
        one_line: cut each row to one line of the terminal.
    """
    axes = list(items[0].cell.labels) if items else []
    table = Table(box=None, pad_edge=False, header_style="bold", title=title or None, title_justify="left")
    for column in (*axes, "run", "state"):
        table.add_column(column, no_wrap=one_line)
    table.add_column("")
    for item in items:
        remark = ""
        if item.state == "running":
            remark = progress_line(item.folder)
        elif item.state == "foreign":
            remark = str(Job.read(item.folder) or "")
        elif item.state not in ("ok", "missing", "submitted", "pending"):
            remark = reason(item)
        style = STYLES.get(item.state, "")
        labels = (Text(item.cell.labels[axis]) for axis in axes)
        table.add_row(
            *labels,
            item.folder.id,
            Text(item.state, style=style),
            Text(remark, style="dim", no_wrap=one_line, overflow="ellipsis"),
        )
    return table


def reason(item: Item) -> str:
    """Return the reason why a run has no result, in one line."""
    try:
        record = Record.read(item.folder.record)
    except DamagedRecordError as error:
        return str(error)
    if record.error is None:
        return ""
    first, _, _ = record.error.message.partition("\n")
    return f"{record.error.kind}: {first}" if first else record.error.kind


def progress_line(folder: RunFolder) -> str:
    """Return a run's progress: "training 120/200, loss 0.412, rate 0.01, 450 images/s, about 3 s left"."""
    progress = folder.read_progress()
    if not progress:
        return "starting"
    text = f"{progress.get('phase', '')} {progress.get('done', 0)}/{progress.get('total', 0)}"
    if isinstance(progress.get("loss"), float):
        text += f", loss {progress['loss']:.3f}"
    if isinstance(progress.get("rate"), float):
        text += f", rate {progress['rate']:.2g}"
    if isinstance(progress.get("images_per_second"), int | float):
        text += f", {progress['images_per_second']:.3g} images/s"
    if isinstance(progress.get("left"), int | float):
        text += f", about {duration(progress['left'])} left"
    return text


def show_run(plan: Plan, events: Iterable[Event], console: Console) -> dict[str, str]:
    """Show a launch until its end and return the status of each run that finished.

    On a terminal this is a live view, otherwise a line for each finished run.
    """
    view = _LaunchView(plan)
    statuses: dict[str, str] = {}
    live = Live(view, console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
    with live or nullcontext():
        for event in events:
            view.take(event)
            if event.kind == "lost":
                console.print(f"[yellow]{view.name(event.run)}: {escape(event.error)}; resuming it[/]")
            if event.kind == "finished":
                statuses[event.run] = event.status
                if event.status != "ok" or live is None:
                    style = STYLES.get(event.status, "")
                    line = f"{view.done}/{view.total} [{style}]{event.status}[/] {view.name(event.run)}"
                    line += f" in {duration(event.seconds)}" if event.seconds else ""
                    line += f", about {duration(view.left())} left" if view.done < view.total else ""
                    console.print(line + (f": {escape(event.error)}" if event.error else ""), highlight=False)
    return statuses


class _LaunchView:
    """A live view of a launch, drawn anew at each refresh of the terminal."""

    def __init__(self, plan: Plan) -> None:
        self.items = {item.folder.id: item for item in plan.todo}
        self.total = len(self.items)
        self.running: dict[str, float] = {}
        self.done = 0
        self.begun = time.monotonic()

    def name(self, run: str) -> str:
        item = self.items.get(run)
        return escape(item.cell.name) if item else run

    def take(self, event: Event) -> None:
        if event.kind == "started":
            self.running[event.run] = time.monotonic()
        else:
            self.running.pop(event.run, None)
            self.done += event.kind == "finished"

    def left(self) -> float:
        """Return the seconds to go, from the work done so far: finished runs and finished parts of running ones."""
        parts = self.done + sum(self._share(run) for run in self.running)
        spent = time.monotonic() - self.begun
        return spent * (self.total - parts) / parts if parts else float("nan")

    def _share(self, run: str) -> float:
        progress = self.items[run].folder.read_progress()
        if not progress.get("total"):
            return 0.0
        # Training takes nearly all of a run's time, so a run that evaluates counts as almost finished.
        return 0.85 * progress["done"] / progress["total"] if progress.get("phase") == "training" else 0.9

    def __rich__(self) -> Group:
        left = self.left()
        spent = duration(time.monotonic() - self.begun)
        tail = f", about {duration(left)} left" if left == left else ""
        head = Text(f"{self.done} of {self.total} runs done after {spent}{tail}")
        table = Table.grid(padding=(0, 2))
        for run in self.running:
            bar = ProgressBar(total=1.0, completed=self._share(run), width=24)
            table.add_row(self.name(run), bar, Text(progress_line(self.items[run].folder), style="dim"))
        return Group(head, table)


def classes_table(plan: Plan) -> Table:
    """Return a table of the arrays that a launch would submit: one for each class of resources."""
    rows = [
        (
            str(len(items)),
            f"{r.nodes} × {r.processes} × {r.cpus} cores" + (f", {r.nodes * r.gpus} GPUs" if r.gpus else ""),
            f"{r.memory_gb:g} GB",
            duration(r.hours * 3600),
            r.partition or "",
        )
        for r, items in plan.classes().items()
    ]
    rows.append((str(len(plan.todo)), f"{plan.gpu_hours:g} GPU-hours", "", "", ""))
    return plain_table(("runs", "each nodes × processes × cores", "memory a node", "time", "partition"), rows)


def relative(path: Path) -> str:
    """Return a path relative to the working directory where it lies in it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
