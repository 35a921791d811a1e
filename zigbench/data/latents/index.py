"""The index of prepared latents: the shards of their folder, and a check that they are complete.

A split lies in shards of some hundred samples (see :class:`zigbench.data.shards.ShardStore`). The parts of a shard are

- ``moments``, float16 (n, views, 2, *shape): mean and log-variance of the autoencoder's posterior, unscaled; the
  second view, where there is one, is of the picture flipped left to right;
- ``names``, bytes (n,), and ``digests``, uint8 (n, 32): the picture that each latent was made of, and the SHA-256 of
  its content, zeros where there was none;
- ``frames``, int64 (n + 1,), where samples are clips: clip i has the rows ``frames[i]`` to ``frames[i + 1]`` of
  ``moments``, whose shape is that of one frame;
- ``labels``, int64 (n,), where there are classes;
- ``texts``, float16 (m, tokens, width), the embeddings of all captions, and ``first``, int64 (n + 1,): sample i has
  the captions ``first[i]`` to ``first[i + 1]``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zigbench.data.builtin.folders import LatentFolderConfig
from zigbench.data.config import INDEX, PreparedConfig
from zigbench.data.formats.samples import MissingDataError
from zigbench.data.shards import DamagedDataError, ShardStore
from zigbench.spec import DataConfig
from zigbench.spec.files import file_sha256, write_atomically

FORMAT = 1

UNIT = (0.25, 4.0)
"""Bounds of the deviation of scaled latents: autoencoders state their scale so that it is near one."""

NAMED = 5
"""Damaged files that an error names."""


def shard_name(split: str, number: int) -> str:
    """Return the name of a split's shard."""
    return f"{split}-{number:05d}"


def write_index(folder: Path, index: Mapping[str, Any]) -> None:
    """Write the index, which makes the prepared data complete."""
    write_atomically(folder / INDEX, (json.dumps({"format": FORMAT, **index}, indent=1) + "\n").encode())


def read_index(folder: Path, advice: str) -> dict[str, Any]:
    """Return the index of prepared data, after a check that all files exist with the recorded sizes.

    Args:
        folder: folder of the data.
        advice: message if nothing is prepared.

    Raises:
        MissingDataError: nothing is prepared there.
        DamagedDataError: another format, or files that are missing or cut short: lists them.
    """
    path = folder / INDEX
    if not path.exists():
        begun = sum(1 for _ in folder.glob("*.json"))
        raise MissingDataError(advice + (f" ({begun} shards are done: the same command continues)" if begun else ""))
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] != FORMAT:
            raise DamagedDataError(f"{path} is of format {index['format']}; this version reads {FORMAT}: prepare anew")
        files = [(file, facts["bytes"]) for file, facts in _files(folder, index)]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DamagedDataError(f"{path} can't be read ({error!r}); prepare the data again") from None
    faults = [fault for file, size in files if (fault := _fault(file, size))]
    if faults:
        some = "; ".join(faults[:NAMED]) + ("; …" if len(faults) > NAMED else "")
        raise DamagedDataError(
            f"{folder}: {len(faults)} of {len(files)} files are not whole: {some}. "
            "Preparing the data again makes only these anew"
        )
    assert isinstance(index, dict)
    return index


def differences(config: PreparedConfig, index: Mapping[str, Any]) -> Iterator[str]:
    """Yield every difference between prepared latents and the config of a run: the key, both values, the remedy.

    Args:
        config: of the run's data.
        index: as :func:`read_index` returns it.
    """
    geometry = config.geometry(1)
    held = index["shape"]
    if "shortest" in index:
        if geometry.frames is None:
            yield "it holds clips: set data.config.frames to the number of frames of a sample"
        elif geometry.frames > index["shortest"]:
            yield (
                f"its shortest clip has {index['shortest']} frames, the config needs {geometry.frames}: "
                f"set data.config.frames={index['shortest']}"
            )
        held = [*([geometry.frames] if geometry.frames else []), *held]
    if held != list(geometry.sample_shape):
        channels, side = held[-3], held[-1]
        yield (
            f"the latents are {held}, the config needs {list(geometry.sample_shape)}"
            + _remedy(
                config, resolution=index["resolution"], channels=channels, downsampling=index["resolution"] // side
            )
        )
    scale = config.expected_scale
    if abs(index["scale"] - scale) > 1e-6:
        yield (
            "the latents are of another autoencoder: they were recorded with the scale "
            f"{index['scale']:g}, the config needs {scale:g}" + _remedy(config, scale=index["scale"])
        )
    classes = len(index["classes"] or ())
    if geometry.classes is not None and classes != geometry.classes:
        yield f"it has {classes} classes, the config needs {geometry.classes}" + _remedy(
            config, classes=classes or None
        )
    if geometry.context is not None and index["text"] != list(geometry.context):
        have = f"embeddings of {index['text'][0]}×{index['text'][1]}" if index["text"] else "no captions"
        needs = f"the config needs {geometry.context[0]}×{geometry.context[1]}"
        yield f"it has {have}, {needs}" + _remedy(config, text=index["text"])
    for split, count in config.counts.items():
        held_count = sum(shard["count"] for shard in index["splits"].get(split, ()))
        unreadable = sum(len(shard["unreadable"]) for shard in index["splits"].get(split, ()))
        if held_count + unreadable != count:
            yield f"the split {split!r} holds {held_count:,} samples of {count:,}"


def _remedy(config: PreparedConfig, **values: Any) -> str:
    """Return the assignments that fit a config to the latents; of a recipe, whose values are fixed, the preparation."""
    wanted = {key: value for key, value in values.items() if getattr(config, key, None) != value}
    if not wanted.keys() <= type(config).model_fields.keys():
        return ": prepare it anew, with the autoencoder and encoder of the published networks"
    return ": set " + " ".join(f"data.config.{key}={json.dumps(value)}" for key, value in wanted.items())


def settings(folder: Path) -> dict[str, Any]:
    """Return the keys of ``data.config`` that describe a user's prepared latents, beside the defaults."""
    index = read_index(folder, f"nothing is prepared in {folder}")
    shape, resolution = index["shape"], index["resolution"]
    values = {"path": str(folder), "resolution": resolution, "channels": shape[-3], "scale": index["scale"]}
    values |= {"downsampling": resolution // shape[-1], "classes": len(index["classes"] or ()) or None}
    values |= {"text": index["text"], "frames": index.get("shortest")}
    fields = LatentFolderConfig.model_fields
    return {key: value for key, value in values.items() if value != fields[key].default}


def refuse_unlike(config: DataConfig) -> None:
    """Raise ValueError where prepared latents are not those that a run's config describes; reads the index alone.

    Raises:
        ValueError: names each key with both values and the remedy.
    """
    if not isinstance(config, PreparedConfig) or not (config.folder / INDEX).exists():
        return
    if faults := list(differences(config, read_index(config.folder, ""))):
        raise ValueError(f"{config.folder}: {'; '.join(faults)}")


def damaged_files(folder: Path) -> list[str]:
    """Return the files whose SHA-256 is not the index's; reads all of them."""
    index = read_index(folder, f"nothing is prepared in {folder}")
    return [file.name for file, facts in _files(folder, index) if file_sha256(file) != facts["sha256"]]


def scale_fault(deviation: float, scale: float) -> str:
    """Describe why scaled latents of such a deviation are wrong; "" where they are plausible."""
    if UNIT[0] < deviation < UNIT[1]:
        return ""
    return (
        f"the latents deviate by {deviation:.3g} where the scale {scale:g} should bring them near 1: they are of "
        "another autoencoder, or were scaled twice or not at all"
    )


def _files(folder: Path, index: Mapping[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    """Return the path of every array, and its size and hash as recorded."""
    store = ShardStore(folder)
    return [
        (store.path(shard["name"], part), facts)
        for split in index["splits"].values()
        for shard in split
        for part, facts in shard["files"].items()
    ]


def _fault(path: Path, size: int) -> str | None:
    if not path.exists():
        return f"{path.name} is missing"
    here = path.stat().st_size
    return None if here == size else f"{path.name} has {here} bytes instead of {size}"
