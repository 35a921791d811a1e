"""What the command line shows: tables of names and states, and a live picture of runs at work."""

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

STYLES = {
    "ok": "green", "running": "cyan", "missing": "dim", "submitted": "yellow", "pending": "blue",
    "foreign": "blue", "failed": "red", "oom": "red", "diverged": "red", "timeout": "red", "damaged": "bold red",
    "busy": "yellow", "error": "bold red",
}  # fmt: skip


def duration(seconds: float) -> str:
    """Seconds in words: "8 s", "2 min 05 s", "3 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table without lines; text is shown as it is, markup not interpreted."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def state_table(items: Sequence[Item], title: str = "", *, one_line: bool = False) -> Table:
    """Runs with their labels, state and, while one works, what it is doing; ``one_line`` cuts what would take more."""
    axes = list(items[0].cell.labels) if items else []
    table = Table(box=None, pad_edge=False, header_style="bold", title=title or None, title_justify="left")
    for column in (*axes, "run", "state"):
        table.add_column(column, no_wrap=one_line)
    table.add_column("")
    for item in items:
        doing = ""
        if item.state == "running":
            doing = doing_now(item.folder)
        elif item.state == "foreign":
            doing = str(Job.read(item.folder) or "")
        elif item.state not in ("ok", "missing", "submitted", "pending"):
            doing = reason(item)
        style = STYLES.get(item.state, "")
        labels = (Text(item.cell.labels[axis]) for axis in axes)
        table.add_row(
            *labels,
            item.folder.id,
            Text(item.state, style=style),
            Text(doing, style="dim", no_wrap=one_line, overflow="ellipsis"),
        )
    return table


def reason(item: Item) -> str:
    """Why a run has no result, in a line."""
    from zigbench.records.record import DamagedRecordError, Record

    try:
        record = Record.read(item.folder.record)
    except DamagedRecordError as error:
        return str(error)
    if record.error is None:
        return ""
    first, _, _ = record.error.message.partition("\n")
    return f"{record.error.kind}: {first}" if first else record.error.kind


def doing_now(folder: RunFolder) -> str:
    """What a run says it is doing: "training 120/200, loss 0.412, rate 0.01, 450 images/s, about 3 s left"."""
    said = folder.read_progress()
    if not said:
        return "starting"
    text = f"{said.get('phase', '')} {said.get('done', 0)}/{said.get('total', 0)}"
    if isinstance(said.get("loss"), float):
        text += f", loss {said['loss']:.3f}"
    if isinstance(said.get("rate"), float):
        text += f", rate {said['rate']:.2g}"
    if isinstance(said.get("images_per_second"), int | float):
        text += f", {said['images_per_second']:.3g} images/s"
    if isinstance(said.get("left"), int | float):
        text += f", about {duration(said['left'])} left"
    return text


def show_run(plan: Plan, events: Iterable[Event], console: Console) -> dict[str, str]:
    """Follow a launch to its end; returns the status of each run that finished.

    On a terminal a live picture, otherwise a line for each run done.
    """
    picture = _Picture(plan)
    statuses: dict[str, str] = {}
    live = Live(picture, console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
    with live or nullcontext():
        for event in events:
            picture.take(event)
            if event.kind == "lost":
                console.print(f"[yellow]{picture.name(event.run)}: {escape(event.error)}; resuming it[/]")
            if event.kind == "finished":
                statuses[event.run] = event.status
                if event.status != "ok" or live is None:
                    style = STYLES.get(event.status, "")
                    line = f"{picture.done}/{picture.total} [{style}]{event.status}[/] {picture.name(event.run)}"
                    line += f" in {duration(event.seconds)}" if event.seconds else ""
                    line += f", about {duration(picture.left())} left" if picture.done < picture.total else ""
                    console.print(line + (f": {escape(event.error)}" if event.error else ""), highlight=False)
    return statuses


class _Picture:
    """The state of a launch, drawn anew whenever the terminal asks for it."""

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
        """Seconds to go, from the work done so far: finished runs and the finished parts of running ones."""
        parts = self.done + sum(self._share(run) for run in self.running)
        spent = time.monotonic() - self.begun
        return spent * (self.total - parts) / parts if parts else float("nan")

    def _share(self, run: str) -> float:
        said = self.items[run].folder.read_progress()
        if not said.get("total"):
            return 0.0
        # Training is nearly all of a run; while it evaluates it counts as all but done.
        return 0.85 * said["done"] / said["total"] if said.get("phase") == "training" else 0.9

    def __rich__(self) -> Group:
        left = self.left()
        spent = duration(time.monotonic() - self.begun)
        tail = f", about {duration(left)} left" if left == left else ""
        head = Text(f"{self.done} of {self.total} runs done after {spent}{tail}")
        table = Table.grid(padding=(0, 2))
        for run in self.running:
            bar = ProgressBar(total=1.0, completed=self._share(run), width=24)
            table.add_row(self.name(run), bar, Text(doing_now(self.items[run].folder), style="dim"))
        return Group(head, table)


def classes_table(plan: Plan) -> Table:
    """What a launch would submit: an array for each class of resources."""
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
    """A path as short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
