"""Films and folders of frames made on the spot: each clip of one grey level a frame, so that one sees where one is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WIDTH, HEIGHT = 34, 26
"""Not square, and not multiples of what codecs work in."""

CODECS = {".avi": "mpeg4", ".mp4": "mpeg4", ".mkv": "ffv1"}


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
