"""The manifest of a published set of pictures: its count, and sizes and hashes of a sample of the pictures.

The authors of these sets publish no hashes of the files that a download leads to, so none are built in. The first
preparation writes the manifest; a later one, at another resolution or on a machine that the manifest was copied to, is
refused where its pictures differ. So two people know whether they measure on the same pictures. The sample depends on
the pictures' names alone.
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
from zigbench.data.formats.samples import NAMED, Content, MissingDataError, Sample, digest_of
from zigbench.spec.files import sha256, write_atomically

SAMPLED = 256
"""Pictures whose content is compared."""


def compare(path: Path, samples: Sequence[Sample], content: Callable[[Sample], Content], where: Path) -> dict[str, Any]:
    """Return the facts of the samples, which are those of the manifest where there is one.

    Args:
        path: of the manifest.
        samples: all of them.
        content: of a sample: its picture, or the latent that it came with.
        where: their folder.

    Raises:
        MissingDataError: pictures differ from those of the manifest; the message names some.
        ValueError: the manifest is damaged.
    """
    here = {sample.name: _facts(content(sample)) for sample in sampled(samples)}
    facts = {"count": len(samples), "sample": here}
    if not path.exists():
        return facts
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        known: dict[str, Any] = stated["sample"]
        faults = []
        if stated["count"] != len(samples):
            faults.append(f"there were {stated['count']:,} and are {len(samples):,}")
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
    return facts


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write the facts of :func:`compare`, if there is no manifest yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (json.dumps(facts, indent=1) + "\n").encode())


def sampled(samples: Sequence[Sample]) -> list[Sample]:
    """Return those with the smallest SHA-256 of their names: equal names give equal samples."""
    return sorted(samples, key=lambda sample: sha256(sample.name))[:SAMPLED]


def wrong_sizes(samples: Sequence[Sample], least: int, square: bool) -> list[str]:
    """Return a message for each sampled picture that is smaller than the set's or not square.

    Only headers are read; unreadable pictures are counted when they are encoded.


    Args:
        samples: all of them; those without a picture are skipped.
        least: pixels of the shorter side.
        square: whether the set's pictures are square.
    """
    faults = []
    for sample in sampled(samples):
        size = None if sample.picture is None else _size(sample.picture)
        if size is not None and (min(size) < least or (square and size[0] != size[1])):
            faults.append(f"{sample.name} is {size[0]}×{size[1]}")
    return faults


def _size(picture: Content) -> tuple[int, int] | None:
    """Return width and height; None where the picture can't be read."""
    try:
        content = picture.read()
        opened = from_array(content) if isinstance(content, np.ndarray) else Image.open(io.BytesIO(content))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return opened.size


def _facts(content: Content) -> dict[str, Any]:
    try:
        read = content.read()
    except OSError:
        return {"bytes": 0, "sha256": ""}
    return {"bytes": len(read) if isinstance(read, bytes) else read.nbytes, "sha256": digest_of(read)}
