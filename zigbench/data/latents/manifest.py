"""What a published set of pictures was made of when it was first prepared, so that every later preparation is of it.

Nobody publishes the hashes of the files that whoever downloads these sets ends up with, so none are built in. The first
preparation writes down the count and, of a sample of the pictures that depends on nothing but their names, size and
SHA-256; a later one, at another resolution or on a machine that the file was copied to, compares. So two people can
tell whether they measure on the same pictures.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zigbench.data.formats.pictures import from_array
from zigbench.data.formats.samples import Content, MissingDataError, Sample, digest_of
from zigbench.spec.files import sha256, write_atomically

SAMPLED = 256
"""Pictures whose content is compared."""

NAMED = 5
"""Faults that an error names."""


def compare(path: Path, samples: Sequence[Sample], content: Callable[[Sample], Content], where: Path) -> dict[str, Any]:
    """What is there now, which is what the manifest says, where there is one.

    Args:
        path: of the manifest.
        samples: all of them.
        content: of a sample: its picture, or the latent that it came with.
        where: they were found.

    Raises:
        MissingDataError: pictures are others than those the manifest was written of; names some.
        ValueError: the manifest is damaged.
    """
    here = {sample.name: _facts(content(sample)) for sample in chosen(samples)}
    found = {"count": len(samples), "sample": here}
    if not path.exists():
        return found
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        known: dict[str, Any] = told["sample"]
        faults = [f"there were {told['count']:,} and are {len(samples):,}"] * (told["count"] != len(samples))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} can't be read ({error!r}); delete it, and the next preparation writes it") from None
    faults += [f"{name} is missing" for name in known if name not in here]
    faults += [f"{name} is another file" for name in known if known[name] != here.get(name, known[name])]
    if faults:
        some = "; ".join(faults[:NAMED]) + ("; …" if len(faults) > NAMED else "")
        raise MissingDataError(
            f"{where} does not hold the pictures that {path} was written of: {some}. If these are the right ones, "
            "delete that file"
        )
    return found


def write(path: Path, found: dict[str, Any]) -> None:
    """Keep what :func:`compare` gave."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (json.dumps(found, indent=1) + "\n").encode())


def chosen(samples: Sequence[Sample]) -> list[Sample]:
    """Those with the smallest SHA-256 of their names: the same ones wherever the names are the same."""
    return sorted(samples, key=lambda sample: sha256(sample.name))[:SAMPLED]


def wrong_sizes(samples: Sequence[Sample], least: int, square: bool) -> list[str]:
    """Which of the sampled pictures are not of the sizes that the set's have, a message each.

    Reads the headers alone; what can't be read is counted when it is encoded.

    Args:
        samples: all of them; those without a picture are not looked at.
        least: pixels of the shorter side.
        square: whether the set's pictures are square.
    """
    faults = []
    for sample in chosen(samples):
        size = None if sample.picture is None else _size(sample.picture)
        if size is not None and (min(size) < least or (square and size[0] != size[1])):
            faults.append(f"{sample.name} is {size[0]}×{size[1]}")
    return faults


def _size(picture: Content) -> tuple[int, int] | None:
    """Width and height; None where the picture can't be read."""
    try:
        content = picture.read()
        opened = from_array(content) if isinstance(content, np.ndarray) else Image.open(io.BytesIO(content))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return opened.size


def _facts(content: Content) -> dict[str, Any]:
    try:
        found = content.read()
    except OSError:
        return {"bytes": 0, "sha256": ""}
    return {"bytes": len(found) if isinstance(found, bytes) else found.nbytes, "sha256": digest_of(found)}
