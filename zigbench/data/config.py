"""Typed configs of the built-in data sets. Never imports torch: planning reads them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zigbench.spec import DataConfig, Geometry, Positive


class DigitsConfig(DataConfig):
    """scikit-learn's 1,797 handwritten digits, 8×8 grey, ten classes; a fifth of each class is held out."""

    loader = "zigbench.data.digits:Digits"

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, 8, 8, patch, classes=10)


DIGIT = 8
"""Side of scikit-learn's digits in pixels."""


class MovingDigitsConfig(DataConfig):
    """Clips of one of scikit-learn's handwritten digits, bouncing; ten classes. No digit is in both splits.

    Args:
        frames: of a clip.
        size: side of a frame in pixels; a digit takes 8.
        seed: what digits, starting places, directions and speeds are drawn from.
    """

    loader = "zigbench.data.moving_digits:MovingDigits"
    frames: Annotated[int, Field(ge=2, le=64)] = 16
    size: Annotated[int, Field(ge=DIGIT + 1, le=128)] = 16
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, self.size, self.size, patch, frames=self.frames, classes=10)


class PhotographsConfig(DataConfig):
    """Grey crops of ten photographs; the right quarter of each is held out.

    Args:
        size: side of a crop in pixels; every picture's right quarter holds at least one of 64.
    """

    loader = "zigbench.data.photographs:Photographs"
    size: Annotated[int, Field(ge=4, le=64)] = 16

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, self.size, self.size, patch)


class ShapeConfig(DataConfig):
    """No images, only their shape: noise of that shape, for what is timed.

    Args:
        channels: of an image or latent.
        height, width: in pixels or latent cells.
        frames: of a clip; None for images.
        classes: number of classes; None without labels.
        context: tokens and width of a text's embedding; None without texts.
    """

    loader = "zigbench.data.shape:Shape"
    channels: Positive = 4
    height: Positive = 32
    width: Positive = 32
    frames: Positive | None = None
    classes: Positive | None = None
    context: tuple[Positive, Positive] | None = None

    def geometry(self, patch: int) -> Geometry:
        return Geometry(
            self.channels,
            self.height,
            self.width,
            patch,
            frames=self.frames,
            classes=self.classes,
            context=self.context,
        )
