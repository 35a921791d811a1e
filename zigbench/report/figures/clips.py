"""Clips that move: side by side, in one animated picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from zigbench.report.figures.images import strip

FRAME_MS = 120
"""How long a frame is shown, in milliseconds."""

EXACT = 64
"""Height in pixels up to which clips are kept exactly, as one looks at pixels there."""


def moving(samples: Mapping[str, np.ndarray], count: int = 10, gap: int = 1) -> list[np.ndarray]:
    """The frames of an animated grid, uint8 (H', W', 4) each: a row per arm, its first clips side by side.

    Args:
        samples: by arm, uint8 (N, T, C, H, W), of one T, H and W; rows are as wide as the widest.
        count: clips of an arm at most.
        gap: pixels between two clips and two rows.
    """
    lengths = {clips.shape[1] for clips in samples.values()}
    assert len(lengths) == 1
    return [_stacked([strip(clips[:, t], count, gap) for clips in samples.values()], gap) for t in range(lengths.pop())]


def animated(frames: Sequence[np.ndarray], scale: float = 1.0, exact: bool = True) -> bytes:
    """An animated WebP that repeats for ever.

    Args:
        frames: uint8 (H, W, 4), all of one shape.
        scale: of its sides.
        exact: keep every pixel; otherwise compress like a photograph.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    if scale != 1:
        width, height = pictures[0].size
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pictures = [picture.resize(size, Image.Resampling.BOX) for picture in pictures]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, format="WEBP", save_all=True, append_images=pictures[1:], duration=FRAME_MS, loop=0, lossless=exact,
        quality=80, method=4,
    )  # fmt: skip
    return buffer.getvalue()


def _stacked(rows: Sequence[np.ndarray], gap: int) -> np.ndarray:
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, gap), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return np.concatenate(padded)[:-gap]
