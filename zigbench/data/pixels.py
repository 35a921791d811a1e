"""The two ranges of images: 0 to 255 on disk, [-1, 1] for a network. One conversion in each direction."""

from __future__ import annotations

import torch
from torch import Tensor

QUANTISATION = "[-1, 1] → round(127.5 (x + 1)), clamped to 0–255"


def from_uint8(images: Tensor) -> Tensor:
    """Map pixels of 0 to 255 to [-1, 1], float32 of the same shape."""
    return images.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """Quantise images in [-1, 1] to 0–255, rounding to the nearest (halves to even) and clamping.

    Args:
        x: floating point, any shape.

    Raises:
        ValueError: a value is not finite. A broken sample must not pass as a grey one.
    """
    if not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(f"{bad} of {x.numel()} values of the images are not finite")
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
