"""The released files that were imported: the hash of the weights of each, by the file's name.

A suite names weights by the file that their authors released, and knows their hash once the file is imported.
"""

from __future__ import annotations

import json
from pathlib import Path

from zigbench.spec.files import write_atomically

FILE = "imported.json"
"""Beside the weights, in ``results/weights``."""


def imported(results: Path) -> dict[str, str]:
    """Return the SHA-256 of the weights of each imported file; empty where none was.

    Args:
        results: folder that holds ``runs`` and ``weights``.

    Raises:
        ValueError: the list is damaged.
    """
    path = results / "weights" / FILE
    if not path.exists():
        return {}
    try:
        return {str(name): str(digest) for name, digest in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} can't be read ({error}); delete it and import the files again") from None


def note_import(results: Path, file: str, digest: str) -> None:
    """Write down that a file was imported, and the hash of its weights."""
    body = {**imported(results), file: digest}
    write_atomically(results / "weights" / FILE, (json.dumps(body, indent=1, sort_keys=True) + "\n").encode())
