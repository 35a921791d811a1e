"""What a training says as it goes: lines of JSON, cut back exactly when it resumes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

FLUSH = 1.0
"""Seconds that a line may wait in memory; a write to the file for each would cost a tenth of a small step."""


class LineLog:
    """A file of one JSON object a line, appended to.

    Args:
        path: made where it does not exist.
        length: bytes to keep of what is there; the rest belongs to steps that will be done again.

    Raises:
        ValueError: the file is shorter than that.
        OSError: it can't be written.
    """

    def __init__(self, path: Path, length: int = 0) -> None:
        self.path = path
        self._file = open(path, "ab")  # noqa: SIM115 - open as long as the training
        self._waiting: list[dict[str, Any]] = []
        self._flushed = time.monotonic()
        self.cut(length)

    def cut(self, length: int) -> None:
        """Forget everything after the first ``length`` bytes."""
        self.flush()
        found = os.fstat(self._file.fileno()).st_size
        if found < length:
            raise ValueError(
                f"{self.path}: {found} bytes, but the checkpoint was written when there were {length}: it was cut; "
                "delete the run's folder to start it anew"
            )
        self._file.truncate(length)
        self._length = length

    @property
    def length(self) -> int:
        """Bytes of all lines so far."""
        self.flush()
        return self._length

    def write(self, line: dict[str, Any]) -> None:
        """Append one line; the file holds it within a second, if lines keep coming.

        Raises:
            OSError: the disk is full.
        """
        self._waiting.append(line)
        now = time.monotonic()
        if now - self._flushed > FLUSH:
            self._flushed = now
            self.flush()

    def flush(self) -> None:
        """Put into the file what waits."""
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._length += self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def sync(self) -> None:
        """Make what was written durable."""
        self.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self.flush()
        self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, also of one that is being written; empty where there is none."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_bytes().split(b"\n")[:-1]:
        lines.append(json.loads(text))
    return lines
