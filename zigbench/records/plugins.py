"""The plug-ins that the runs of a folder were made with, which later commands then need not be given again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from zigbench.records.pack import is_pack
from zigbench.spec.files import short_sha256, write_atomically
from zigbench.spec.registry import Recalled, imported_digest, plugins_in_use, recall_plugins, warn_of_edit

FOLDER = "plugins"
"""Folder, among those of the runs, with a note on each plug-in: no two commands write the same file."""


def remember(root: Path) -> None:
    """Note the plug-ins in use in a folder of runs, and warn of those that were edited since the last such note.

    Args:
        root: the folder. What an installed package offers by entry point needs no note.

    Raises:
        ValueError: a note is damaged.
        OSError: the folder can't be written.
    """
    for name in plugins_in_use():
        path, digest = root / FOLDER / f"{short_sha256(name)}.json", imported_digest(name)
        note = _read(path, root)[1] if path.exists() else None
        if note is not None:
            warn_of_edit(name, note)
        if note is None or note.digest != digest:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps({"plugin": name, "digest": digest}).encode(), durable=False)


def recall(places: Iterable[Path]) -> None:
    """Offer the plug-ins that folders of runs remember to whoever looks up a name that is not known.

    A note that another user wrote is not followed, since importing a plug-in runs its code.

    Args:
        places: folders of runs; packs among them, which hold no paths of a machine, are left out.

    Raises:
        ValueError: a note is damaged.
    """
    folders = [place for place in places if not is_pack(place)]
    notes = [(path, folder) for folder in folders for path in sorted((folder / FOLDER).glob("*.json"))]
    recall_plugins(dict(_read(path, folder) for path, folder in notes))


def _read(path: Path, root: Path) -> tuple[str, Recalled]:
    """Return the plug-in of a note, and what is noted of it."""
    try:
        content = json.loads(path.read_bytes())
        return content["plugin"], Recalled(str(root), content["digest"], _is_own(path))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}; remove it, and name the plug-in once again") from error


def _is_own(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()
