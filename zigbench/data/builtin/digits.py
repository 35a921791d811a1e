"""scikit-learn's handwritten digits, still and moving: their typed configs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zigbench.spec import DataConfig, Geometry, registry

DIGIT = 8
"""Side of scikit-learn's digits in pixels."""


@registry.data.register("digits")
class DigitsConfig(DataConfig):
    """scikit-learn's 1,797 handwritten digits, 8×8 grey, ten classes; a fifth of each class is held out."""

    loader = "zigbench.data.builtin.loaders.digits:Digits"

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, 8, 8, patch, classes=10)


@registry.data.register("moving-digits")
class MovingDigitsConfig(DataConfig):
    """Clips of one of scikit-learn's handwritten digits, bouncing; ten classes. No digit is in both splits.

    Args:
        frames: of a clip.
        size: side of a frame in pixels; a digit takes 8.
        seed: what digits, starting places, directions and speeds are drawn from.
    """

    loader = "zigbench.data.builtin.loaders.moving_digits:MovingDigits"
    frames: Annotated[int, Field(ge=2, le=64)] = 16
    size: Annotated[int, Field(ge=DIGIT + 1, le=128)] = 16
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, self.size, self.size, patch, frames=self.frames, classes=10)
