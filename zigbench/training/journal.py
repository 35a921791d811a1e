"""What a training writes down as it goes; rank 0 does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zigbench.spec import TrainingSpec
from zigbench.training.logging import LineLog, read_lines
from zigbench.training.parallel import World
from zigbench.training.sinks import Sinks

LINES = 1_000
"""Lines of the log where the spec does not say how often there is one."""


class Journal:
    """``log.jsonl``, a function of the run; ``telemetry.jsonl``, wall-clock figures; and the sinks.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path, training: TrainingSpec, world: World) -> None:
        self.folder = folder
        self.every = training.log_every or max(1, training.steps // LINES)
        self._names = training.sinks
        self._main = world.main
        self._logs: tuple[LineLog, LineLog] | None = None
        self._sinks: Sinks | None = None

    def open(self, log_length: int, telemetry_length: int) -> None:
        """Begin writing after so many bytes of each file; what comes after them is removed."""
        if not self._main:
            return
        log = LineLog(self.folder / "log.jsonl", log_length)
        self._logs = log, LineLog(self.folder / "telemetry.jsonl", telemetry_length)
        lines = read_lines(log.path)
        self._sinks = Sinks(self._names, self.folder, lines[-1]["step"] if lines else 0)

    def lengths(self) -> tuple[int, int]:
        """Bytes of both files, made durable: a checkpoint that counts on them is about to be written."""
        if self._logs is None:
            return 0, 0
        for log in self._logs:
            log.sync()
        return self._logs[0].length, self._logs[1].length

    def cut(self, log_length: int, telemetry_length: int) -> None:
        """Remove what comes after so many bytes of each file."""
        if self._logs is not None:
            self._logs[0].cut(log_length)
            self._logs[1].cut(telemetry_length)

    def figures(self, line: dict[str, Any]) -> None:
        """A line of the log, for the sinks too."""
        self.event(line)
        if self._sinks is not None and self._names:
            shown = {name: value for name, value in line.items() if name != "step" and value is not None}
            self._sinks.write(line["step"], shown)

    def event(self, line: dict[str, Any]) -> None:
        """A line of the log."""
        if self._logs is not None:
            self._logs[0].write(line)

    def telemetry(self, line: dict[str, Any]) -> None:
        """A line of the telemetry."""
        if self._logs is not None:
            self._logs[1].write(line)

    def curve(self) -> tuple[tuple[int, float], ...]:
        """(steps done, mean loss) of each line of the log."""
        if self._logs is None:
            return ()
        self._logs[0].sync()
        return tuple((line["step"], line["loss"]) for line in read_lines(self.folder / "log.jsonl") if "loss" in line)

    def close(self) -> None:
        """Close the files and the sinks."""
        if self._logs is not None:
            for log in self._logs:
                log.close()
        if self._sinks is not None:
            self._sinks.close()
