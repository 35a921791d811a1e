"""Clips from files: films, which PyAV decodes (extra ``video``), and folders of frames.

Every frame is cropped and resized like a picture (see :mod:`zigbench.data.formats.pictures`), all frames of a clip
alike. A clip is a stretch of consecutive frames at one rate: a film whose frames lie unevenly in time is refused,
since its motion would come out at another speed; so is a folder whose frames differ in size.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zigbench.data.formats.pictures import SUFFIXES, Filter, UnreadablePictureError, read_picture
from zigbench.data.formats.samples import SPLITS, Content, File, MissingDataError, Sample

FILMS = frozenset({".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg"})

UNEVEN = 0.1
"""Share of the usual time between two frames by which one may differ, beside the rounding of time stamps."""


@dataclass(frozen=True)
class Frames:
    """The frames of a clip, a picture file each, in order."""

    paths: tuple[Path, ...]

    def read(self) -> bytes:
        """The files' bytes, one after the other: what the clip's hash is of."""
        return b"".join(path.read_bytes() for path in self.paths)


def list_clips(folder: Path) -> list[Sample]:
    """The clips in a folder, sorted by name: every film, and every folder that holds pictures.

    The folder of a film, or of a folder of frames, is its class; ``train`` and ``held-out`` (or ``val``, ``test``)
    at the top are splits. Frames are in the order of the numbers in their names.

    Raises:
        MissingDataError: there is no such folder, or no clip in it.
        ValueError: a link that leads out of the folder.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {folder}")
    found = sorted(_found(folder), key=lambda sample: sample.name)
    if not found:
        known = ", ".join(sorted(FILMS))
        raise MissingDataError(f"{folder} holds no clips: neither films ({known}) nor folders of frames")
    return found


def read_clip(
    content: Content, resolution: int, channels: int, *, fewest: int, name: str, filter: Filter = "lanczos"
) -> np.ndarray:
    """All frames of a clip, pixels of 0 to 255, uint8 (F, channels, resolution, resolution).

    Args:
        content: a film's file, or :class:`Frames`.
        resolution, channels, filter: as :func:`zigbench.data.formats.pictures.read_picture`.
        fewest: frames that a clip must have.
        name: what to call it in an error.

    Raises:
        UnreadablePictureError: damaged, cut short, without frames or with too few, of varying rate or size.
        ValueError: a film, and PyAV is not installed.
    """
    found: list[bytes | np.ndarray]
    try:
        if isinstance(content, Frames):
            found = [path.read_bytes() for path in content.paths]
        else:
            film = content.read()
            assert isinstance(film, bytes)
            found = list(_decoded(film, name))
    except OSError as error:
        raise UnreadablePictureError(f"{name}: {error.strerror or error}") from None
    if not found:
        raise UnreadablePictureError(f"{name}: it holds no frames")
    if len(found) < fewest:
        raise UnreadablePictureError(f"{name}: it has {len(found)} frames; a clip takes at least {fewest}")
    names = [f"{name}, frame {number}" for number in range(len(found))]
    sizes = {_size(frame, which) for frame, which in zip(found, names, strict=True)}
    if len(sizes) > 1:
        told = " and ".join(f"{height}×{width}" for height, width in sorted(sizes)[:2])
        raise UnreadablePictureError(f"{name}: its frames differ in size ({told}); all frames of a clip are alike")
    return np.stack(
        [
            read_picture(frame, resolution, channels, name=which, filter=filter)
            for frame, which in zip(found, names, strict=True)
        ]
    )


def _found(folder: Path) -> Iterator[Sample]:
    frames: dict[Path, list[Path]] = {}
    root = folder.resolve()
    for path in folder.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        suffix = path.suffix.lower()
        if suffix in FILMS or suffix in SUFFIXES:
            if not path.resolve().is_relative_to(root):
                raise ValueError(f"{path} leads out of {folder}; only files inside it are read")
            if suffix in SUFFIXES:
                frames.setdefault(path.parent, []).append(path)
            else:
                yield _sample(folder, path, File(path))
    for place, paths in frames.items():
        if place == folder:
            raise ValueError(f"{folder} holds {len(paths)} pictures outside of any clip: give each clip a folder")
        yield _sample(folder, place, Frames(tuple(sorted(paths, key=_numbered))))


def _sample(folder: Path, path: Path, content: Content) -> Sample:
    name = path.relative_to(folder)
    parts = name.parts[:-1]
    split = SPLITS.get(parts[0].lower()) if parts else None
    return Sample(name.as_posix(), content, "/".join(parts[1:] if split else parts) or None, (), split)


def _numbered(path: Path) -> tuple[Any, ...]:
    """A key by which ``frame10`` comes after ``frame9``."""
    parts = re.split(r"(\d+)", path.stem)
    return (*(int(part) if part.isdecimal() else part for part in parts), path.suffix)


def _size(frame: bytes | np.ndarray, name: str) -> tuple[int, int]:
    """Height and width of a frame, of a picture file by its head."""
    if isinstance(frame, np.ndarray):
        return frame.shape[0], frame.shape[1]
    try:
        with Image.open(io.BytesIO(frame)) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError) as error:
        raise UnreadablePictureError(f"{name}: {error}") from None


def _decoded(content: bytes, name: str) -> Iterator[np.ndarray]:
    """The frames of a film, uint8 (H, W, 3)."""
    try:
        import av
    except ImportError as error:
        raise ValueError(f"{name}: films are decoded by PyAV ({error}): pip install 'zigbench[video]'") from None
    times: list[int] = []
    try:
        with av.open(io.BytesIO(content), "r") as container:
            if not container.streams.video:
                raise UnreadablePictureError(f"{name}: it holds no video")
            for frame in container.decode(container.streams.video[0]):
                if frame.pts is not None:
                    times.append(frame.pts)
                yield frame.to_ndarray(format="rgb24")
            # AVI has one rate by its format, and no time stamps of its own.
            stamped = "avi" not in container.format.name
    except (av.FFmpegError, EOFError) as error:
        raise UnreadablePictureError(f"{name}: {error}") from None
    if stamped:
        _refuse_uneven(times, name)


def _refuse_uneven(times: Sequence[int], name: str) -> None:
    """Raise where time stamps, in ticks, are not evenly spaced."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    # A tick of rounding either way is no fault: a millisecond clock shows 30 frames a second as 33 and 34.
    if len(steps) and np.abs(steps - usual).max() > max(1.0, UNEVEN * usual):
        raise UnreadablePictureError(
            f"{name}: its frame rate varies ({steps.min()} to {steps.max()} ticks between frames); a clip has one "
            "rate: write the film anew at a constant one"
        )
