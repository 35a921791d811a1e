"""Tables of names and states for the terminal, and a live view of a launch."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zigbench.launch import Event, Plan
from zigbench.launch.against import differences
from zigbench.launch.estimate import relative_times
from zigbench.records.folder import RunFolder
from zigbench.suite import Suite

STYLES = {
    "ok": "green", "running": "cyan", "missing": "dim", "interrupted": "yellow", "pending": "blue",
    "foreign": "blue", "failed": "red", "oom": "red", "diverged": "red", "timeout": "red", "damaged": "bold red",
    "newer": "yellow", "busy": "yellow", "blocked": "yellow", "error": "bold red",
}  # fmt: skip

TRAINING_SHARE = 0.85
"""Share of a run's time that its training takes, as a rule; sampling and measuring take the rest."""


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
    with live or nullcontext(), _announced(view, console):
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


@contextmanager
def _announced(view: _LaunchView, console: Console) -> Iterator[None]:
    """Print once how long the launch will take, from the first second of training of one of its runs."""
    stop = threading.Event()

    def wait() -> None:
        meter = SpeedOfStart()
        while not stop.wait(0.2):
            for run in list(view.running):
                seconds = meter.expected(run, view.items[run].folder.read_progress(), time.monotonic())
                if seconds is not None:
                    total = seconds / view.shares[run] / len(view.running)
                    console.print(f"about {duration(total)} in all, by the first second of training on this machine.")
                    return

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@dataclass
class SpeedOfStart:
    """The speed of runs that have just begun, from readings of their progress.

    Attributes:
        earlier: steps done of each run at its first reading, which may be those of an earlier process.
        first: time in seconds and steps done of each run when it was first seen at work.
    """

    earlier: dict[str, int] = field(default_factory=dict)
    first: dict[str, tuple[float, int]] = field(default_factory=dict)

    def expected(self, run: str, progress: Mapping[str, Any], now: float) -> float | None:
        """Return the seconds that a run takes as a whole; None until a second of its training was seen.

        Args:
            run: id of the run.
            progress: of the run, as its folder has it.
            now: time of the reading, in seconds.
        """
        if progress.get("phase") != "training" or not progress.get("total"):
            return None
        if self.earlier.setdefault(run, progress["done"]) == progress["done"] and run not in self.first:
            return None
        begun, done = self.first.setdefault(run, (now, progress["done"]))
        if now - begun < 1.0 or progress["done"] <= done:
            return None
        return progress["total"] * (now - begun) / (progress["done"] - done) / TRAINING_SHARE


class _LaunchView:
    """A live view of a launch, drawn anew at each refresh of the terminal.

    Attributes:
        shares: the part that each run is expected to have in the time of the launch.
        done: runs that finished; ``done_share`` is their part in the time of the launch.
    """

    def __init__(self, plan: Plan) -> None:
        self.items = {item.folder.id: item for item in plan.todo}
        self.total = len(self.items)
        times = relative_times([item.cell.spec for item in self.items.values()])
        self.shares = {run: one / self.total for run, one in zip(self.items, times, strict=True)}
        self.running: dict[str, float] = {}
        self.done = 0
        self.done_share = 0.0
        self.begun = time.monotonic()

    def name(self, run: str) -> str:
        item = self.items.get(run)
        return escape(item.cell.name) if item else run

    def take(self, event: Event) -> None:
        if event.kind == "started":
            self.running[event.run] = time.monotonic()
        else:
            self.running.pop(event.run, None)
            if event.kind == "finished":
                self.done += 1
                self.done_share += self.shares[event.run]

    def left(self) -> float:
        """Return the seconds to go, from the work done so far: finished runs and finished parts of running ones."""
        done = self.done_share + sum(self.shares[run] * self._part(run) for run in self.running)
        spent = time.monotonic() - self.begun
        return spent * max(0.0, 1 - done) / done if done else float("nan")

    def _part(self, run: str) -> float:
        """Return the part of a running run that is done."""
        progress = self.items[run].folder.read_progress()
        if not progress.get("total"):
            return 0.0
        if progress.get("phase") != "training":
            return (1 + TRAINING_SHARE) / 2
        return float(TRAINING_SHARE * progress["done"] / progress["total"])

    def __rich__(self) -> Group:
        left = self.left()
        spent = duration(time.monotonic() - self.begun)
        tail = f", about {duration(left)} left" if left == left else ""
        head = Text(f"{self.done} of {self.total} runs done after {spent}{tail}")
        table = Table.grid(padding=(0, 2))
        for run in self.running:
            bar = ProgressBar(total=1.0, completed=self._part(run), width=24)
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


def differences_lines(suite: Suite, plan: Plan, source: str) -> list[str]:
    """Return a line for each key in which planned runs differ from published settings; one that none does."""
    lines = []
    for one in differences(suite, [item.cell for item in plan.items], source):
        arms = ", ".join(one.arms) or "all arms"
        lines.append(f"{one.key}: {_value(one.ours)} here, {_value(one.published)} published ({one.source}); {arms}")
    silent = " and ".join(f"the {other}" for other in suite.sources if other != source)
    alike = f"All {len(plan.items)} runs have the settings that the {source} states"
    return lines or [f"{alike}, and those of {silent} where it is silent." if silent else f"{alike}."]


def _value(value: Any) -> str:
    """Return a value as an assignment writes it, a long list cut short; a dash where a run has no such key."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]} …"


def relative(path: Path) -> str:
    """Return a path relative to the working directory where it lies in it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
