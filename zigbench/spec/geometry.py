"""The shape of the samples that a backbone maps, and of their patches."""

from __future__ import annotations

import math
from dataclasses import dataclass

DIGITS = ((1, 8, 8), (1, 28, 28))
"""Shapes of images of digits: those of scikit-learn, and of MNIST."""


@dataclass(frozen=True)
class Geometry:
    """The shape of samples and patches: images (channels, height, width) or clips of ``frames`` such images.

    Args:
        channels: image or latent channels.
        height, width: in pixels (or latent cells).
        patch: side of a square patch; divides both height and width.
        frames: frames in a clip; None for images.
        classes: number of classes; None when there are no labels.
        context: (tokens, width) of the text embedding; None when there is none.

    Raises:
        ValueError: a side that is not positive or that the patch does not divide.
    """

    channels: int
    height: int
    width: int
    patch: int
    frames: int | None = None
    classes: int | None = None
    context: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width", "patch", "frames", "classes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"geometry: {name} is {value}; it must be at least 1")
        if self.height % self.patch or self.width % self.patch:
            raise ValueError(
                f"patch {self.patch} does not divide {self.height}×{self.width} (height×width); "
                f"patches that do: {', '.join(map(str, self.patches()))}"
            )

    def patches(self) -> list[int]:
        """Return the patch sides that divide both height and width."""
        return [p for p in range(1, min(self.height, self.width) + 1) if self.height % p == self.width % p == 0]

    @property
    def grid(self) -> tuple[int, int]:
        """Patches (down, across) of one image or frame."""
        return self.height // self.patch, self.width // self.patch

    @property
    def token_grid(self) -> tuple[int, ...]:
        """Sides of the grid of tokens: (rows, columns), with the frames in front for clips."""
        return self.grid if self.frames is None else (self.frames, *self.grid)

    @property
    def tokens(self) -> int:
        """Patches of one sample, frames included."""
        return math.prod(self.token_grid)

    @property
    def digits(self) -> bool:
        """True for labelled grey digits, which the project's own classifiers read."""
        return self.sample_shape in DIGITS and self.classes == 10

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(C, H, W), or (T, C, H, W) for clips."""
        image = (self.channels, self.height, self.width)
        return image if self.frames is None else (self.frames, *image)
