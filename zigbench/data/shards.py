"""Shards of latents on disk: plain arrays that are memory-mapped, with an index that says what they are.

A split lies in shards of some hundred samples. Of each shard there are, as .npy files,

- ``moments``, float16 (n, views, 2, *shape): mean and log-variance of the autoencoder's posterior, unscaled; the
  second view, where there is one, is of the picture flipped left to right;
- ``names``, bytes (n,), and ``digests``, uint8 (n, 32): which picture each latent was made of, and the SHA-256 of its
  content, zeros where there was none;
- ``frames``, int64 (n + 1,), where samples are clips: clip i has the rows ``frames[i]`` to ``frames[i + 1]`` of
  ``moments``, whose shape is that of one frame;
- ``labels``, int64 (n,), where there are classes;
- ``texts``, float16 (m, tokens, width), the embeddings of all captions, and ``first``, int64 (n + 1,): sample i has
  the captions ``first[i]`` to ``first[i + 1]``;

and beside them a .json file with their sizes and SHA-256, written last. A shard with one is done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.data.config import INDEX
from zigbench.data.formats.samples import MissingDataError
from zigbench.spec.files import file_sha256, write_atomically

FORMAT = 1


UNIT = (0.25, 4.0)
"""Deviation that scaled latents may have: autoencoders state their scale so that it is near one."""


class DamagedDataError(ValueError):
    """Prepared data that can't be trusted; the message says which file, why, and what to do."""


def shard_name(split: str, number: int) -> str:
    return f"{split}-{number:05d}"


def write_shard(folder: Path, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the arrays of one shard and what is known of it; what is there afterwards is whole.

    Returns:
        The facts with the files' sizes and hashes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for part, array in arrays.items():
        path = folder / f"{name}.{part}.npy"
        temporary = path.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        files[part] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    told = {**facts, "files": files}
    write_atomically(folder / f"{name}.json", (json.dumps(told) + "\n").encode())
    return told


def read_facts(folder: Path, name: str, key: str) -> dict[str, Any] | None:
    """The facts of a shard that was done under ``key`` and whose files are whole; otherwise None."""
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        assert isinstance(facts, dict)
        for part, told in facts["files"].items():
            if file_sha256(folder / f"{name}.{part}.npy") != told["sha256"]:
                return None
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return None
    return facts if facts.get("key") == key else None


def write_index(folder: Path, index: Mapping[str, Any]) -> None:
    """Write the index, which makes the prepared data complete."""
    write_atomically(folder / INDEX, (json.dumps({"format": FORMAT, **index}, indent=1) + "\n").encode())


def read_index(folder: Path, missing: str) -> dict[str, Any]:
    """The index of prepared data, its files found and as long as it says.

    Args:
        folder: where they lie.
        missing: what to say where nothing was prepared.

    Raises:
        MissingDataError: nothing was prepared there.
        DamagedDataError: another format, or files that are missing or cut short: lists them.
    """
    path = folder / INDEX
    if not path.exists():
        begun = sum(1 for _ in folder.glob("*.json"))
        raise MissingDataError(missing + (f" ({begun} shards were begun: the same command goes on)" if begun else ""))
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] != FORMAT:
            raise DamagedDataError(f"{path} is of format {index['format']}; this version reads {FORMAT}: prepare anew")
        files = [
            (folder / f"{shard['name']}.{part}.npy", told["bytes"])
            for split in index["splits"].values()
            for shard in split
            for part, told in shard["files"].items()
        ]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DamagedDataError(f"{path} can't be read ({error!r}); prepare the data again") from None
    faults = [fault for file, size in files if (fault := _fault(file, size))]
    if faults:
        some = "; ".join(faults[:5]) + ("; …" if len(faults) > 5 else "")
        raise DamagedDataError(
            f"{folder}: {len(faults)} of {len(files)} files are not whole: {some}. "
            "Preparing the data again makes only these anew"
        )
    assert isinstance(index, dict)
    return index


def damaged_files(folder: Path) -> list[str]:
    """Files whose SHA-256 is not the index's: reads all of them."""
    index = read_index(folder, f"nothing is prepared in {folder}")
    return [
        f"{shard['name']}.{part}.npy"
        for split in index["splits"].values()
        for shard in split
        for part, told in shard["files"].items()
        if file_sha256(folder / f"{shard['name']}.{part}.npy") != told["sha256"]
    ]


def strange(deviation: float, scale: float) -> str:
    """Why latents of such a deviation can't be meant, in words; "" where they can."""
    if UNIT[0] < deviation < UNIT[1]:
        return ""
    return (
        f"the latents deviate by {deviation:.3g} where the scale {scale:g} should bring them near 1: they are of "
        "another autoencoder, or were scaled twice or not at all"
    )


def _fault(path: Path, size: int) -> str | None:
    if not path.exists():
        return f"{path.name} is missing"
    found = path.stat().st_size
    return None if found == size else f"{path.name} has {found} bytes in place of {size}"
