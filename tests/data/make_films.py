"""Films and folders of frames made on the spot: each clip of one grey level a frame, so that each shows its place."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WIDTH, HEIGHT = 34, 26
"""Not square, and not multiples of what codecs work in."""

CODECS = {
    ".avi": "mpeg4",
    ".mp4": "mpeg4",
    ".mkv": "ffv1",
    ".mpg": "mpeg2video",
    ".mov": "mpeg4",
    ".webm": "libvpx-vp9",
}


def grey(level: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """A frame of that level on average, lighter to the right, so that a flip shows."""
    ramp = level + np.linspace(-8, 8, size[1]).round()
    return np.broadcast_to(ramp.clip(0, 255)[:, None], (*size, 3)).astype(np.uint8)


def write_film(path: Path, levels: Sequence[int], *, times: Sequence[int] | None = None) -> None:
    """A film of one grey level a frame; ``times`` are the frames' times in twenty-fifths of a second."""
    av = pytest.importorskip("av", reason="needs the extra `video`")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(grey(level), format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, 25)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def write_frames(folder: Path, levels: Sequence[int]) -> None:
    """A folder of frames, their numbers without leading zeros."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels):
        Image.fromarray(grey(level)).save(folder / f"frame{number}.png")


def write_pictures(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    aspect: Fraction | None = None,
    codec: str | None = None,
    sound: float = 0.0,
) -> None:
    """A film of pictures uint8 (H, W, 3), 25 a second.

    Args:
        path: of the film.
        pictures: in order.
        aspect: a pixel's width over its height.
        codec: in place of the suffix's.
        sound: seconds of silence beside it.
    """
    av = pytest.importorskip("av", reason="needs the extra `video`")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec or CODECS[path.suffix], rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        sounds = _sounds(av, container, sound) if sound else iter(())
        for number, picture in enumerate(pictures):
            for packet in sounds:
                container.mux(packet)
                if packet.pts * packet.time_base > number / 25:
                    break
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in (*stream.encode(), *sounds):
            container.mux(packet)


def _sounds(av, container, seconds: float):
    """Yield packets of silence."""
    stream = container.add_stream("mp2", rate=48_000)
    for start in range(0, int(48_000 * seconds), 1152):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        yield from stream.encode(frame)


def set_matrix(path: Path, matrix: Sequence[float]) -> None:
    """Write the upper left of an MP4's display matrix, (a, b, c, d), as a camera does that was held sideways."""
    a, b, c, d = (round(value * 65536) for value in matrix)
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(content))


def write_gif(path: Path, levels: Sequence[int], *, durations: int | Sequence[int] = 40) -> None:
    """An animation of one grey level a frame, each shown for so many milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = (Image.fromarray(grey(level)) for level in levels)
    durations = list(durations) if isinstance(durations, Sequence) else durations
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)
