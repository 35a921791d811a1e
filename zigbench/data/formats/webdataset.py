"""Shards of the webdataset convention: tar files whose members are samples' parts, ``KEY.PART``.

Nothing is ever unpacked: members are read where they lie. A member that is a link or whose name leads out of the
archive fails the reading, since whoever made it meant something else than data.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from zigbench.data.formats.pictures import SUFFIXES
from zigbench.data.formats.samples import Content, Sample, split_of_name

LATENTS = re.compile(r"(img_feature\d*|frame_feature\d*|latent)\.npy")
"""Parts that are latents: (C, H, W) of an image, (T, C, H, W) of a clip."""

TEXTS = ("caption_clip_feature.npy", "caption_feature.npy")
"""Parts that are texts' embeddings: (captions, tokens, width), or (tokens, width) of one."""

END = bytes(2 * tarfile.BLOCKSIZE)

CLASSES = ("cls_id", "cls_id.cls", "cls")


@dataclass(frozen=True)
class Member:
    """A member of an archive, by its place."""

    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) != self.size:
            raise ValueError(f"{self.path} is cut short: {len(content)} of {self.size} bytes at {self.offset}")
        return content


@dataclass(frozen=True)
class Array:
    """A member that is an array in numpy's own format."""

    member: Member

    def read(self) -> np.ndarray:
        try:
            array: np.ndarray = np.load(io.BytesIO(self.member.read()), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{self.member.path} at {self.member.offset}: not a plain array ({error})") from None
        return array


def members_of(path: Path) -> dict[str, dict[str, Member]]:
    """Members by key and part.

    Raises:
        ValueError: cut short or no tar file; a member leads out of it, or is neither file nor folder.
    """
    found: dict[str, dict[str, Member]] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                name = PurePosixPath(info.name)
                if name.is_absolute() or ".." in name.parts:
                    raise ValueError(f"{path}: the member {info.name!r} leads out of the archive; it is not read")
                if info.isdir():
                    continue
                if not info.isfile():
                    raise ValueError(f"{path}: the member {info.name!r} is a link or device; it is not read")
                stem, _, part = name.name.partition(".")
                key = str(name.with_name(stem))
                found.setdefault(key, {})[part.lower()] = Member(path, info.offset_data, info.size)
            end = archive.offset
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{path} can't be read as a tar file: damaged or cut short ({error})") from None
    with open(path, "rb") as file:
        file.seek(end)
        # A header that is cut short ends the walk above like an archive's end, which is two blocks of zeros.
        if file.read(len(END)) != END:
            raise ValueError(f"{path} is cut short: it has no end after its {len(found)} samples")
    return found


def samples_of_shards(folder: Path, shards: Iterable[Path]) -> list[Sample]:
    """The samples of all shards; a shard whose name begins with ``train`` or ``val`` tells their split."""
    samples = []
    for path in shards:
        where = path.relative_to(folder).as_posix()
        split = split_of_name(where)
        for key, parts in members_of(path).items():
            samples.append(_sample(f"{where}:{key}", parts, split))
    return samples


def _sample(name: str, parts: dict[str, Member], split: str | None) -> Sample:
    picture = next((m for part, m in parts.items() if f".{part.rpartition('.')[2]}" in SUFFIXES), None)
    features: dict[str, Content] = {}
    for part, member in parts.items():
        if LATENTS.fullmatch(part):
            features[part.removesuffix(".npy")] = Array(member)
        elif part in TEXTS:
            features["captions"] = Array(member)
    label = next((parts[part].read().decode().strip() for part in CLASSES if part in parts), None)
    return Sample(name, picture, label, _captions(name, parts), split, features)


def _captions(name: str, parts: dict[str, Member]) -> tuple[str, ...]:
    for part in ("txt", "caption.txt", "caption.json", "json"):
        if part not in parts:
            continue
        try:
            text = parts[part].read().decode("utf-8")
            told = json.loads(text) if part.endswith("json") else text.split("\n")
        except ValueError as error:
            raise ValueError(f"{name}: its captions can't be read ({error})") from None
        if isinstance(told, dict):
            told = told.get("captions") or told.get("caption") or []
        texts = told if isinstance(told, list) else [told]
        return tuple(text.strip() for text in texts if isinstance(text, str) and text.strip())
    return ()
