"""One picture from bytes to pixels: any common file, always in the same way.

The picture is turned as its EXIF data state, brought to the wanted channels, cropped to its central square and resized
to the resolution with antialiasing. Transparency is laid over white. Sixteen-bit grey keeps its upper eight bits; one
whose levels fill no more than the lower twelve is refused, since it would come out nearly black. Animations give their
first frame.
"""

from __future__ import annotations

import io
import struct
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

Filter = Literal["lanczos", "bicubic", "bilinear", "box"]

MODES = {1: "L", 3: "RGB"}

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""The transposition that sets a picture upright, by the orientation that its EXIF data state."""

DEEP = 1 << 16
"""Levels of sixteen-bit grey."""


class UnreadablePictureError(ValueError):
    """A picture that cannot be read; the message gives its name and the reason."""


def read_picture(
    content: bytes | np.ndarray,
    resolution: int,
    channels: int,
    *,
    name: str,
    filter: Filter = "lanczos",
    aspect: float = 1.0,
) -> np.ndarray:
    """Return the pixels of a picture, 0 to 255, uint8 (channels, resolution, resolution).

    Args:
        content: a picture file's bytes, or an array of pixels, uint8 (H, W), (H, W, C) or (C, H, W).
        resolution: side of the square.
        channels: 3 for colour, 1 for Rec. 601 luma.
        name: of the picture, for an error.
        filter: of the resizing.
        aspect: width of a pixel over its height, as it is to be shown.

    Raises:
        UnreadablePictureError: damaged, cut short, of no known format, implausibly large, or without a known range.
    """
    try:
        picture = from_array(content) if isinstance(content, np.ndarray) else _opened(content)
        picture = _square(_converted(picture, MODES[channels]), resolution, Image.Resampling[filter.upper()], aspect)
    except UnidentifiedImageError:  # Its own message has an address in memory, which no two runs share.
        raise UnreadablePictureError(f"{name}: not a picture of a known format") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadablePictureError(f"{name}: {error}") from None
    pixels = np.asarray(picture)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def from_array(pixels: np.ndarray) -> Image.Image:
    """Return an array as a picture.

    Raises:
        ValueError: not uint8, or of a shape that is no picture.
    """
    if pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.dtype}; they must be uint8, 0 to 255")
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[-1] in (3, 4)):
        raise ValueError(f"shape {pixels.shape}: a picture has 1, 3 or 4 channels")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()  # Reads all of it: a file cut short fails here.
    turn = TURNS.get(_orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _orientation(picture: Image.Image) -> int:
    """Return the orientation that the EXIF data state, 1 to 8; 1 where they are damaged or state none."""
    # Only this tag is read: ImageOps.exif_transpose writes all of them anew, and fails where one of them is broken.
    try:
        stated = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, struct.error):
        return 1
    return stated if isinstance(stated, int) else 1


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    """Return ``picture`` in ``mode``, flattened over white."""
    if picture.mode == "F":
        raise ValueError("pixels are floating point, whose range no file states")
    if picture.mode.startswith("I"):
        picture = _shallow(np.asarray(picture).astype(np.int64))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    # A palette goes through colour: its grey would be that of the indices' nearest entries otherwise.
    return picture.convert("RGB").convert(mode) if picture.mode in ("P", "RGBA") else picture.convert(mode)


def _shallow(levels: np.ndarray) -> Image.Image:
    """Return the upper eight bits of sixteen-bit grey."""
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high >= DEEP:
        raise ValueError(f"levels run from {low} to {high}; grey of more than eight bits has 0 to {DEEP - 1}")
    if 0 < high < DEEP >> 4:
        raise ValueError(
            f"sixteen-bit levels end at {high} of {DEEP - 1}, so it would be nearly black: write the picture anew with "
            "its levels spread over the whole range"
        )
    return Image.fromarray((levels >> 8).astype(np.uint8))


def _square(picture: Image.Image, side: int, filter: Image.Resampling, aspect: float) -> Image.Image:
    width, height = picture.size
    # The filter still sees what lies beside the box, as when a picture is first resized and then cropped.
    if aspect == 1:
        crop = min(width, height)
        x, y = (width - crop) // 2, (height - crop) // 2
        return picture.resize((side, side), filter, box=(x, y, x + crop, y + crop))
    shown = min(width * aspect, height)
    left, top = (width - shown / aspect) / 2, (height - shown) / 2
    return picture.resize((side, side), filter, box=(left, top, width - left, height - top))
