"""The plug-ins that the runs of a folder were made with, which later commands then need not be given again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path

from zigbench.records.pack import is_pack
from zigbench.spec.files import short_sha256, write_atomically
from zigbench.spec.registry import imported_digest, plugins_in_use, recall_plugins

FOLDER = "plugins"
"""Folder, among those of the runs, with a file for each plug-in: no two commands write the same one."""


class EditedPluginWarning(UserWarning):
    """A plug-in that was edited since runs were made with it, and whose name in their specs is the same."""


def remember(root: Path) -> None:
    """Note the imported plug-ins in a folder of runs, and warn of those that were edited since the last such note.

    Args:
        root: the folder. A plug-in that is part of an installed package is found without a note, by its entry point.

    Raises:
        OSError: the folder can't be written.
    """
    for name in plugins_in_use():
        note, digest = root / FOLDER / f"{short_sha256(name)}.json", imported_digest(name)
        former = json.loads(note.read_bytes()) if note.exists() else None
        if former is not None and former["digest"] != digest:
            warnings.warn(
                f"{name} was edited since runs in {root} were made with it. Those that are recorded keep their figures "
                "and are not done again; give what has changed another name to compare both",
                EditedPluginWarning,
                stacklevel=2,
            )
        if former is None or former["digest"] != digest:
            note.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(note, json.dumps({"plugin": name, "digest": digest}).encode(), durable=False)


def recall(places: Iterable[Path]) -> None:
    """Offer the plug-ins that folders of runs remember to whoever looks up a name that is not known.

    Args:
        places: folders of runs; packs among them, which hold no paths of a machine, are left out.

    Raises:
        ValueError: a note is no JSON.
    """
    plugins: dict[str, str] = {}
    for place in places:
        if not is_pack(place):
            for note in sorted((place / FOLDER).glob("*.json")):
                try:
                    plugins[json.loads(note.read_bytes())["plugin"]] = str(place)
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(
                        f"{note} is damaged: {error}; remove it, and name the plug-in once again"
                    ) from error
    recall_plugins(plugins)
