"""Shards of arrays on disk: memory-mapped, hashed, and each either whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.spec.files import file_sha256, write_atomically


class DamagedDataError(ValueError):
    """Data on disk that can't be trusted; the message says which file, why, and what to do."""


class ShardStore:
    """A folder of shards.

    A shard ``NAME`` is a file ``NAME.PART.npy`` for each of its arrays (``NAME.npy`` for a part "") and, written last,
    ``NAME.json``: its facts, among them the size and SHA-256 of each file. A shard without that file does not exist.

    Args:
        folder: where the shards lie; made by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, part: str = "") -> Path:
        """Return the path of one array."""
        return self.folder / (f"{name}.{part}.npy" if part else f"{name}.npy")

    def exists(self, name: str) -> bool:
        """Return whether a shard was written, whole or not."""
        return (self.folder / f"{name}.json").exists()

    def load(self, name: str, part: str = "") -> np.ndarray:
        """Map one array into memory, read-only.

        Raises:
            OSError: it is missing.
            ValueError: it is no array in numpy's format, or is cut short.
        """
        array: np.ndarray = np.load(self.path(name, part), mmap_mode="r", allow_pickle=False)
        return array

    def write(self, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write one shard.

        Args:
            name: of the shard.
            arrays: by part.
            facts: what is recorded of it, as JSON; ``key``, where there is one, is what :meth:`read` compares.

        Returns:
            The facts with the files' sizes and hashes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for part, array in arrays.items():
            path = self.path(name, part)
            temporary = path.with_suffix(".tmp")
            with open(temporary, "wb") as file:
                np.save(file, np.ascontiguousarray(array), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            files[part] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        recorded = {**facts, "files": files}
        write_atomically(self.folder / f"{name}.json", (json.dumps(recorded) + "\n").encode())
        return recorded

    def read(self, name: str, key: str) -> dict[str, Any] | None:
        """Return the facts of a shard that was written under ``key`` and is whole; otherwise None."""
        try:
            facts = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            if facts["key"] != key:
                return None
            whole = all(file_sha256(self.path(name, part)) == file["sha256"] for part, file in facts["files"].items())
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return dict(facts) if whole else None
