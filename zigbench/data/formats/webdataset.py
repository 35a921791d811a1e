"""Shards of the webdataset convention: tar files whose members are samples' parts, ``KEY.PART``.

Nothing is ever unpacked: members are read where they lie. A member that is a link, that leads out of the archive or
that is stored sparsely fails the reading, as do two members of one name. Archives that were written one after the
other into a file (``cat a.tar b.tar``) are all read.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from zigbench.data.formats.samples import PICTURES, Content, Label, Sample, printable, shard_split

LATENTS = re.compile(r"(img_feature\d*|frame_feature\d*|latent)\.npy")
"""Parts that are latents: (C, H, W) of an image, (T, C, H, W) of a clip."""

TEXTS = ("caption_clip_feature.npy", "caption_feature.npy")
"""Parts that are texts' embeddings: (captions, tokens, width), or (tokens, width) of one."""

CAPTIONS = ("txt", "caption.txt", "caption.json", "json")
"""Parts that hold captions; the first that is there counts."""

CLASSES = ("cls_id", "cls_id.cls", "cls")

END = bytes(2 * tarfile.BLOCKSIZE)


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
            raise ValueError(
                f"{printable(self.path)} is cut short: {len(content)} of {self.size} bytes at {self.offset}"
            )
        return content


@dataclass(frozen=True)
class Array:
    """A member that is an array in numpy's own format."""

    member: Member

    def read(self) -> np.ndarray:
        try:
            array: np.ndarray = np.load(io.BytesIO(self.member.read()), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(
                f"{printable(self.member.path)} at {self.member.offset}: not a plain array ({error})"
            ) from None
        return array


def read_members(path: Path) -> dict[str, dict[str, Member]]:
    """Return an archive's members by key and part.

    Raises:
        ValueError: cut short or no tar file; a member that leads out of it, is neither file nor folder, is stored
            sparsely or has another's name.
    """
    members: dict[str, dict[str, Member]] = {}
    name = printable(path)
    with open(path, "rb") as file:
        start: int | None = 0
        while start is not None:
            file.seek(start)
            try:
                with tarfile.open(fileobj=file, mode="r:") as archive:
                    for key, part, member in _files(archive, path):
                        if part in members.setdefault(key, {}):
                            raise ValueError(f"{name} has two members called {key}.{part}; keep one")
                        members[key][part] = member
                    end = archive.offset
            except (tarfile.TarError, EOFError) as error:
                where = f" at {start}, after the end of an archive" if start else ""
                raise ValueError(f"{name} can't be read as a tar file{where}: damaged or cut short ({error})") from None
            file.seek(end)
            # A header that is cut short ends the walk above like an archive's end, which is two blocks of zeros.
            if file.read(len(END)) != END:
                raise ValueError(f"{name} is cut short: it has no end after its {len(members)} samples")
            start = _next_archive(file)
    return members


def shard_samples(folder: Path, shards: Iterable[Path]) -> list[Sample]:
    """Return the samples of all shards; a shard whose name begins with ``train`` or ``val`` states their split."""
    samples = []
    for path in shards:
        where = printable(path.relative_to(folder).as_posix())
        split = shard_split(where)
        for key, parts in read_members(path).items():
            samples.append(_sample(f"{where}:{key}", parts, split))
    return samples


def _files(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[str, str, Member]]:
    """Yield key, part and place of an archive's members that are files."""
    for info in archive:
        name = PurePosixPath(info.name)
        refused = f"{printable(path)}: the member {printable(info.name)!r}"
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"{refused} leads out of the archive; it is not read")
        if info.isdir():
            continue
        if not info.isfile():
            raise ValueError(f"{refused} is a link or device; it is not read")
        if info.issparse():
            raise ValueError(f"{refused} is stored sparsely; write the archive again without `tar -S`")
        stem, _, part = name.name.partition(".")
        yield printable(name.with_name(stem)), part.lower(), Member(path, info.offset_data, info.size)


def _next_archive(file: BinaryIO) -> int | None:
    """Return the offset of the first block that is not of zeros, from the file's position on; None at its end."""
    while block := file.read(tarfile.RECORDSIZE):
        if block.strip(b"\0"):
            inside = next(i for i in range(0, len(block), tarfile.BLOCKSIZE) if any(block[i : i + tarfile.BLOCKSIZE]))
            return file.tell() - len(block) + inside
    return None


def _sample(name: str, parts: dict[str, Member], split: str | None) -> Sample:
    pictures = [part for part in parts if f".{part.rpartition('.')[2]}" in PICTURES]
    if len(pictures) > 1:
        raise ValueError(f"{name} has several pictures ({', '.join(pictures)}); a sample has one")
    features: dict[str, Content] = {}
    for part, member in parts.items():
        if LATENTS.fullmatch(part):
            features[part.removesuffix(".npy")] = Array(member)
        elif part in TEXTS:
            features["captions"] = Array(member)
    picture = parts[pictures[0]] if pictures else None
    return Sample(name, picture, _label(name, parts), _captions(name, parts), split, features)


def _label(name: str, parts: dict[str, Member]) -> Label | None:
    try:
        texts = {parts[part].read().decode("utf-8").strip() for part in CLASSES if part in parts}
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: its class is not text in UTF-8 ({error})") from None
    if len(texts) > 1:
        raise ValueError(f"{name} has several classes ({', '.join(sorted(texts))}); a sample has one")
    text = next(iter(texts), "")
    return Label(text) if text else None


def _captions(name: str, parts: dict[str, Member]) -> tuple[str, ...]:
    for part in CAPTIONS:
        if part not in parts:
            continue
        try:
            text = parts[part].read().decode("utf-8")
            content = json.loads(text) if part.endswith("json") else text.split("\n")
        except ValueError as error:
            raise ValueError(f"{name}: its captions can't be read ({error})") from None
        if isinstance(content, dict):
            content = content.get("captions") or content.get("caption") or []
        texts = content if isinstance(content, list) else [content]
        return tuple(text.strip() for text in texts if isinstance(text, str) and text.strip())
    return ()
