"""Clips from files: videos, which PyAV decodes (extra ``video``), animated pictures, and folders of frames.

Every frame is set upright and brought to square pixels as the file states, then cropped and resized like a picture (see
:mod:`zigbench.data.formats.pictures`), all frames of a clip alike. A clip is a stretch of consecutive frames at one
rate: a video whose frames lie unevenly in time is refused, since its motion would come out at another speed; so is a
folder whose frames differ in size. A decoder hides damage and ends without an error where the file ends, so a video is
refused too where the decoder reports damage, or where it gives less than the container states.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageSequence

from zigbench.data.formats.pictures import Filter, UnreadablePictureError, read_picture
from zigbench.data.formats.samples import (
    PICTURES,
    Content,
    File,
    Label,
    MissingDataError,
    Sample,
    folder_split,
    printable,
    sorted_by_name,
    walk_files,
)

VIDEOS = frozenset(
    {
        ".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".ts",
        ".mts", ".m2ts",
    }
)  # fmt: skip

ANIMATIONS = frozenset({".gif", ".webp", ".apng"})
"""Suffixes of pictures that may be animated; an animated one is a clip, a still one a frame."""

UNEVEN = 0.1
"""Share of the usual time between two frames by which one may differ, beside the rounding of time stamps."""

ABSENT = 2
"""Frames by which a video may fall short of what its container states: containers count dropped frames too."""

EARLY = 0.1
"""Seconds, beside those frames, by which a video may end before the duration that its container states."""

ASPECTS = (0.1, 10.0)
"""Bounds of a pixel's width over its height: one beyond them is damage."""

UPRIGHT: dict[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]] = {
    (1, 0, 0, 1): lambda frame: frame,
    (0, 1, -1, 0): lambda frame: np.rot90(frame, -1),
    (-1, 0, 0, -1): lambda frame: np.rot90(frame, 2),
    (0, -1, 1, 0): lambda frame: np.rot90(frame, 1),
    (-1, 0, 0, 1): lambda frame: frame[:, ::-1],
    (1, 0, 0, -1): lambda frame: frame[::-1],
    (0, 1, 1, 0): lambda frame: frame.swapaxes(0, 1),
    (0, -1, -1, 0): lambda frame: frame[::-1, ::-1].swapaxes(0, 1),
}
"""The turn of a display matrix, by the signs of its upper left entries, row by row."""


class Frame(NamedTuple):
    """One frame, upright.

    Attributes:
        content: a picture file's bytes, or pixels uint8 (H, W, 3 or 4).
        size: height and width.
        aspect: width of a pixel over its height.
    """

    content: bytes | np.ndarray
    size: tuple[int, int]
    aspect: float = 1.0


@dataclass(frozen=True)
class Animation(File):
    """An animated picture."""


@dataclass(frozen=True)
class Frames:
    """The frames of a clip, a picture file each, in order."""

    paths: tuple[Path, ...]

    def read(self) -> bytes:
        """Return the files' bytes, one after the other, of which the clip's hash is taken."""
        return b"".join(path.read_bytes() for path in self.paths)


def list_clips(folder: Path) -> list[Sample]:
    """Return the clips in a folder, sorted by name: videos, animated pictures, and folders that hold still pictures.

    The folder of a video, or of a folder of frames, is its class; ``train`` and ``held-out`` (or ``val``, ``test``)
    at the top are splits. Frames are in the order of the numbers in their names.

    Raises:
        MissingDataError: there is no such folder, or no clip in it.
        ValueError: a link that leads out of the folder, or pictures that are outside of any clip.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {printable(folder)}")
    clips = sorted_by_name(list(_clips(folder)), folder)
    if not clips:
        raise MissingDataError(
            f"{printable(folder)} holds no clips: neither videos ({', '.join(sorted(VIDEOS))}) nor animated pictures "
            "nor folders of frames"
        )
    return clips


def read_clip(
    content: Content, resolution: int, channels: int, *, fewest: int, name: str, filter: Filter = "lanczos"
) -> np.ndarray:
    """Return all frames of a clip, pixels of 0 to 255, uint8 (F, channels, resolution, resolution).

    Args:
        content: a video's file, an :class:`Animation`, or :class:`Frames`.
        resolution, channels, filter: as in :func:`zigbench.data.formats.pictures.read_picture`.
        fewest: frames that a clip must have.
        name: of the clip, for an error.

    Raises:
        UnreadablePictureError: damaged, cut short, without frames or with too few, of varying rate or size.
        ValueError: a video, and PyAV is not installed.
    """
    pixels: list[np.ndarray] = []
    size = None
    try:
        for frame in _frames(content, name):
            size = size or frame.size
            if frame.size != size:
                sizes = " and ".join(f"{height}×{width}" for height, width in sorted((size, frame.size)))
                raise UnreadablePictureError(
                    f"{name}: its frames differ in size ({sizes}); all frames of a clip are alike"
                )
            which = f"{name}, frame {len(pixels)}"
            pixels.append(
                read_picture(frame.content, resolution, channels, name=which, filter=filter, aspect=frame.aspect)
            )
    except OSError as error:
        raise UnreadablePictureError(f"{name}: {error.strerror or error}") from None
    if not pixels:
        raise UnreadablePictureError(f"{name}: it holds no frames")
    if len(pixels) < fewest:
        raise UnreadablePictureError(f"{name}: it has {len(pixels)} frames; a clip takes at least {fewest}")
    return np.stack(pixels)


def _clips(folder: Path) -> Iterator[Sample]:
    frames: dict[Path, list[Path]] = {}
    for path in walk_files(folder, VIDEOS | PICTURES):
        suffix = path.suffix.lower()
        if suffix in VIDEOS:
            yield _sample(folder, path, File(path))
        elif suffix in ANIMATIONS and _is_animated(path):
            yield _sample(folder, path, Animation(path))
        else:
            frames.setdefault(path.parent, []).append(path)
    for place, paths in frames.items():
        if place == folder:
            raise ValueError(
                f"{printable(folder)} holds {len(paths)} pictures outside of any clip: give each clip a folder"
            )
        yield _sample(folder, place, Frames(tuple(sorted(paths, key=_numbered))))


def _sample(folder: Path, path: Path, content: Content) -> Sample:
    name = path.relative_to(folder)
    split, parts = folder_split(name)
    return Sample(printable(name.as_posix()), content, Label("/".join(parts)) if parts else None, (), split)


def _is_animated(path: Path) -> bool:
    """Return whether a picture has several frames; true for one that can't be read, which is then named as a clip."""
    try:
        with Image.open(path) as picture:
            return bool(getattr(picture, "is_animated", False))
    except (OSError, SyntaxError, ValueError, EOFError):
        return True


def _numbered(path: Path) -> tuple[Any, ...]:
    """Return a key by which ``frame10`` comes after ``frame9``."""
    parts = re.split(r"(\d+)", path.stem)
    return (*(int(part) if part.isdecimal() else part for part in parts), path.suffix)


def _frames(content: Content, name: str) -> Iterator[Frame]:
    if isinstance(content, Frames):
        for number, path in enumerate(content.paths):
            yield _still(path.read_bytes(), f"{name}, frame {number}")
        return
    video = content.read()
    assert isinstance(video, bytes)
    yield from _animated(video, name) if isinstance(content, Animation) else _decoded(video, name)


def _still(content: bytes, name: str) -> Frame:
    """Return a picture file as a frame, its size by the file's head."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if getattr(picture, "is_animated", False):
                raise UnreadablePictureError(f"{name}: it is an animation of its own; a frame is a still picture")
            return Frame(content, (picture.height, picture.width))
    except (OSError, SyntaxError) as error:
        raise UnreadablePictureError(f"{name}: {error}") from None


def _animated(content: bytes, name: str) -> Iterator[Frame]:
    """Yield the frames of an animated picture."""
    durations = []
    try:
        with Image.open(io.BytesIO(content)) as picture:
            # A GIF counts in hundredths of a second, and its time stamps are rounded to these.
            tick = 10 if picture.format == "GIF" else 1
            if picture.format == "GIF" and not content.rstrip(b"\0").endswith(b";"):
                raise UnreadablePictureError(f"{name}: it is cut short")
            for frame in ImageSequence.Iterator(picture):
                frame.load()
                durations.append(round(frame.info.get("duration", 0) / tick))
                yield Frame(np.asarray(frame.convert("RGBA")), (frame.height, frame.width))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, UnreadablePictureError):
            raise
        raise UnreadablePictureError(f"{name}: {error}") from None
    # The last one is how long the last frame is shown, often longer, before the animation begins again.
    _refuse_uneven(np.cumsum([0, *durations[:-1]]).tolist(), name)


def _decoded(content: bytes, name: str) -> Iterator[Frame]:
    """Yield the frames of a video, uint8 (H, W, 3)."""
    try:
        import av
    except ImportError as error:
        raise ValueError(f"{name}: videos are decoded by PyAV ({error}): pip install 'zigbench[video]'") from None
    times: list[int] = []
    count, end = 0, 0.0
    try:
        with av.open(io.BytesIO(content), "r") as container:
            if not container.streams.video:
                raise UnreadablePictureError(f"{name}: it holds no video")
            stream = container.streams.video[0]
            # All streams are read: what the container states as its duration may be that of another one.
            for packet in container.demux():
                if packet.is_corrupt:
                    raise UnreadablePictureError(f"{name}: it is damaged or cut short after {count} frames")
                time = packet.dts if packet.pts is None else packet.pts
                if time is not None and packet.time_base is not None:
                    end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index != stream.index:
                    continue
                frame: Any  # PyAV types a packet's frames by all kinds of streams.
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise UnreadablePictureError(f"{name}: frame {count} is damaged")
                    if frame.pts is not None:
                        times.append(frame.pts)
                    count += 1
                    yield _upright(frame, stream)
            _refuse_short(container, stream, count, end, name)
            # AVI has one rate by its format, and no time stamps of its own.
            stamped = "avi" not in container.format.name
    except (av.FFmpegError, EOFError) as error:
        raise UnreadablePictureError(f"{name}: {error}") from None
    if stamped:
        _refuse_uneven(times, name)


def _upright(frame: Any, stream: Any) -> Frame:
    """Return a decoded frame, turned and mirrored as its display matrix states."""
    pixels: np.ndarray = frame.to_ndarray(format="rgb24")
    signs = _display_signs(frame)
    aspect = float(stream.sample_aspect_ratio or 1)
    if not ASPECTS[0] < aspect < ASPECTS[1]:
        aspect = 1.0
    if not signs[0]:  # A quarter turn swaps width and height.
        aspect = 1 / aspect
    pixels = UPRIGHT[signs](pixels)
    return Frame(pixels, (pixels.shape[0], pixels.shape[1]), aspect)


def _display_signs(frame: Any) -> tuple[int, int, int, int]:
    """Return the signs of a display matrix's upper left entries; those of no turn where it is damaged or skewed."""
    for number in range(len(frame.side_data)):
        data = frame.side_data[number]
        if getattr(data.type, "name", "") == "DISPLAYMATRIX" and len(bytes(data)) >= 36:
            # Nine numbers of 32 bits, row by row: (a b u; c d v; x y w). A turn by a quarter has a = d = 0.
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            signs = (int(np.sign(a)), int(np.sign(b)), int(np.sign(c)), int(np.sign(d)))
            if signs in UPRIGHT:
                return signs
    return (1, 0, 0, 1)


def _refuse_short(container: Any, stream: Any, count: int, end: float, name: str) -> None:
    """Raise an error for a video with fewer frames, or an earlier end, than its container states.

    Args:
        container, stream: as PyAV opened them.
        count: frames that were decoded.
        end: of the last packet of any stream, in seconds.
        name: of the clip, for an error.
    """
    # The duration of an AVI is guessed from the file's length, and an MP4 counts frames that its edit list cuts off.
    if "avi" in container.format.name:
        if stream.frames > count + ABSENT:
            raise UnreadablePictureError(
                f"{name}: it is damaged or cut short: {count} frames of the {stream.frames} that it states"
            )
    elif container.duration is not None and count and end:
        length = end - (container.start_time or 0) / 1e6
        stated = container.duration / 1e6
        rate = float(stream.average_rate or 25)
        if length < stated - ABSENT / rate - EARLY:
            raise UnreadablePictureError(
                f"{name}: it is damaged or cut short: it ends after {length:.2f} of the {stated:.2f} seconds that it "
                "states"
            )


def _refuse_uneven(times: Sequence[int], name: str) -> None:
    """Raise an error if time stamps, in ticks, are not evenly spaced."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    # A tick of rounding either way is no fault: a millisecond clock shows 30 frames a second as 33 and 34.
    if len(steps) and np.abs(steps - usual).max() > max(1.0, UNEVEN * usual):
        raise UnreadablePictureError(
            f"{name}: its frame rate varies ({steps.min()} to {steps.max()} ticks between frames); a clip has one "
            "rate: write the video anew at a constant one"
        )
