"""Images: samples of every arm from the same noise, still and moving.

Clips are shown as some of their frames in print, and as an animated picture on a screen.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from zigbench.report import results as results_module
from zigbench.report.figures.drawing import Drawing, canvas, styled
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, request
from zigbench.report.results import Results

MAX_CLIPS, MAX_FRAMES = 2, 5
"""Clips of an arm, and frames of each, that are printed."""

MAX_SAMPLES = 10
"""Samples of an arm that are shown."""

FRAME_MS = 120
"""Time that a frame is shown, in milliseconds."""

EXACT_HEIGHT = 64
"""Height in pixels up to which clips are stored exactly, since a reader looks at single pixels there."""

MAX_HEIGHT = 128
"""Height in pixels at which samples are shown at most."""

MAX_BYTES = 2_000_000
"""Bytes that the samples on one page may take together."""


# Which samples.


def samples_by_arm(results: Results) -> tuple[dict[str, np.ndarray], str]:
    """Return samples by arm, all of the one seed that the largest number of arms has (the first of equals), and it."""
    loaded = {(r.seed, r.arm): s for r in results.finished if (s := results_module.samples(r)) is not None}
    if not loaded:
        return {}, ""
    seeds = [seed for seed, _ in loaded]
    common = max(results.seeds, key=seeds.count)
    return {arm: loaded[common, arm] for arm in results.arms if (common, arm) in loaded}, common


@figure("samples", standard=True)
def samples_of_arms(results: Results) -> FigureRequest:
    """Show the samples of one seed of each arm that has samples."""
    samples, seed = samples_by_arm(results)
    if not samples:
        raise NoFigureError("no run has stored samples")
    return request(sample_grid, samples, seed)


# Pixels: arrays of uint8 (H, W, 4), transparent between samples.


def strip(samples: np.ndarray, count: int = MAX_SAMPLES, gap: int = 1) -> np.ndarray:
    """Lay the first samples side by side, uint8 (H, W', 4).

    Args:
        samples: uint8 (N, C, H, W) with 1 or 3 channels (of more, the first three), or (N, T, C, H, W), of whose
            clips the first frame is shown.
        count: the largest number of samples.
        gap: pixels between two.
    """
    images = samples[:count, 0] if samples.ndim == 5 else samples[:count]
    n, channels, height, width = images.shape
    colours = images[:, :3] if channels >= 3 else np.repeat(images[:, :1], 3, axis=1)
    pixels = np.zeros((height, n * (width + gap) - gap, 4), dtype=np.uint8)
    for position, image in enumerate(colours):
        left = position * (width + gap)
        pixels[:, left : left + width, :3] = image.transpose(1, 2, 0)
        pixels[:, left : left + width, 3] = 255
    return pixels


def film(clips: np.ndarray, count: int = MAX_CLIPS, frames: int = MAX_FRAMES, gap: int = 1) -> np.ndarray:
    """Lay evenly spaced frames of the first clips side by side, uint8 (H, W', 4).

    Args:
        clips: uint8 (N, T, C, H, W).
        count: the largest number of clips.
        frames: the largest number of frames of each, the first and the last among them.
        gap: pixels between two frames; three times as many between two clips.
    """
    chosen = printed_frames(clips.shape[1], frames)
    parts = [strip(clip[chosen], len(chosen), gap) for clip in clips[:count]]
    between = np.zeros((clips.shape[-2], 3 * gap, 4), dtype=np.uint8)
    return np.concatenate([piece for part in parts for piece in (part, between)][:-1], axis=1)


def printed_frames(length: int, frames: int = MAX_FRAMES) -> list[int]:
    """Return the frames of a clip that a film shows, counted from 0."""
    return sorted(set(np.linspace(0, length - 1, min(frames, length)).round().astype(int).tolist()))


def moving_grid(samples: Mapping[str, np.ndarray], count: int = MAX_SAMPLES, gap: int = 1) -> list[np.ndarray]:
    """Return the frames of an animated grid, uint8 (H', W', 4) each: a row per arm, its first clips side by side.

    Args:
        samples: by arm, uint8 (N, T, C, H, W), of one T, H and W; rows are as wide as the widest.
        count: the largest number of clips of an arm.
        gap: pixels between two clips and two rows.
    """
    lengths = {clips.shape[1] for clips in samples.values()}
    assert len(lengths) == 1
    return [_stack([strip(clips[:, t], count, gap) for clips in samples.values()], gap) for t in range(lengths.pop())]


def _stack(rows: Sequence[np.ndarray], gap: int) -> np.ndarray:
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, gap), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return np.concatenate(padded)[:-gap]


def encode_webp(frames: Sequence[np.ndarray], scale: float = 1.0, exact: bool = True) -> bytes:
    """Encode frames as an animated WebP that repeats for ever.

    Args:
        frames: uint8 (H, W, 4), all of one shape.
        scale: the factor of its sides.
        exact: True to store every pixel; otherwise compress like a photograph.
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


# Samples on a page.


@dataclass(frozen=True)
class EmbeddedImage:
    """An image as a data address, with the size at which it is shown."""

    source: str
    width: int
    height: int


@dataclass(frozen=True)
class SampleRow:
    """One arm's samples on a page: a still picture, and for clips a moving one as well."""

    arm: str
    still: EmbeddedImage
    alternative: str
    moving: EmbeddedImage | None


def sample_rows(samples: Mapping[str, np.ndarray]) -> tuple[SampleRow, ...]:
    """Return a row per arm, scaled down until all together take at most :data:`MAX_BYTES`."""
    height = MAX_HEIGHT
    while True:
        rows = tuple(_sample_row(arm, images, height) for arm, images in samples.items())
        size = sum(len(row.still.source) + (len(row.moving.source) if row.moving else 0) for row in rows)
        if height <= 16 or size <= MAX_BYTES:
            return rows
        height = height * 3 // 4


def _sample_row(arm: str, images: np.ndarray, max_height: int) -> SampleRow:
    clips = images.ndim == 5
    picture = Image.fromarray(film(images) if clips else strip(images))
    height = images.shape[-2]
    if height > max_height:
        width = max(1, math.floor(picture.width * max_height / height))
        picture = picture.resize((width, max_height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    scale = max(1, round(64 / picture.height))
    n = min(MAX_SAMPLES, len(images))
    shown = f"clips of {arm}, {images.shape[1]} frames of " if clips else f"samples of {arm}, "
    return SampleRow(
        arm,
        EmbeddedImage(_data_address("image/png", buffer.getvalue()), picture.width * scale, picture.height * scale),
        f"{n} generated {shown}{images.shape[-1]} by {height} pixels each",
        _moving_image(images, max_height) if clips else None,
    )


def _moving_image(clips: np.ndarray, max_height: int) -> EmbeddedImage:
    frames = moving_grid({"": clips})
    height, width = frames[0].shape[:2]
    shrunk = min(1.0, max_height / height)
    scale = max(1, round(64 / (height * shrunk)))
    content = encode_webp(frames, shrunk, exact=height <= EXACT_HEIGHT)
    sides = (max(1, round(side * shrunk)) * scale for side in (width, height))
    return EmbeddedImage(_data_address("image/webp", content), *sides)


def _data_address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def animation(samples: Mapping[str, np.ndarray]) -> bytes | None:
    """Encode all arms' clips as one animated WebP; None where they are images, or clips of several shapes."""
    shapes = {clips.shape[1:] for clips in samples.values() if clips.ndim == 5}
    if len(shapes) != 1 or any(clips.ndim != 5 for clips in samples.values()):
        return None
    height = shapes.pop()[-2]
    scale = max(min(1, MAX_HEIGHT / height), 64 // height)
    return encode_webp(moving_grid(samples), scale, exact=height <= EXACT_HEIGHT)


# Drawings.


@styled
def sample_grid(samples: Mapping[str, np.ndarray], seed: str = "", name: str = "samples") -> Drawing:
    """Draw a row per arm; a column holds the arms' samples from the same noise, that of ``seed``."""
    clips = any(images.ndim == 5 for images in samples.values())
    figure = canvas(7.2, 0.1 + 0.56 * max(len(samples), 1))
    rows = np.atleast_1d(figure.subplots(max(len(samples), 1), 1))
    for axes, (arm, images) in zip(rows, samples.items(), strict=False):
        axes.imshow(film(images) if clips else strip(images), interpolation="nearest")
        axes.set_ylabel(arm, rotation=0, ha="right", va="center")
    for axes in rows:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    figure.subplots_adjust(left=0.24, right=0.995, top=0.995, bottom=0.005, hspace=0.06)
    of_seed = f" of seed {seed}" if seed else ""
    caption = f"Not chosen: the first samples{of_seed}. A column starts from the same noise in every arm."
    kind = "samples"
    if clips:
        length = next(iter(samples.values())).shape[1]
        frames = ", ".join(str(frame + 1) for frame in printed_frames(length))
        caption += f" In print, frames {frames} of {length} of two clips."
        kind = "clips, some frames of each"
    alternative = f"Grid of generated {kind}, a row for each of: {', '.join(samples)}."
    return Drawing(name, figure, "Samples from the same noise", caption, alternative)
