"""What a training says as it goes: lines of JSON, cut back exactly when it resumes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any


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
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open as long as the training
        self.cut(length)

    def cut(self, length: int) -> None:
        """Forget everything after the first ``length`` bytes."""
        found = os.fstat(self._file.fileno()).st_size
        if found < length:
            raise ValueError(
                f"{self.path}: {found} bytes, but the checkpoint was written when there were {length}: it was cut; "
                "delete the run's folder to start it anew"
            )
        self._file.truncate(length)
        self.length = length

    def write(self, line: dict[str, Any]) -> None:
        """Append one line; the file holds it when this returns.

        Raises:
            OSError: the disk is full.
        """
        text = json.dumps(line).encode() + b"\n"
        if self._file.write(text) != len(text):
            raise OSError(errno.ENOSPC, "the line was written in part: no space left", str(self.path))
        self.length += len(text)

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, also of one that is being written; empty where there is none."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_bytes().split(b"\n")[:-1]:
        lines.append(json.loads(text))
    return lines
