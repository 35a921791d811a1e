"""Typed configs of the built-in data sets. Never imports torch: planning reads them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zigbench.spec import DataConfig, Geometry


class DigitsConfig(DataConfig):
    """scikit-learn's 1,797 handwritten digits, 8×8 grey, ten classes; a fifth of each class is held out."""

    loader = "zigbench.data.digits:Digits"

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, 8, 8, patch, classes=10)


class PhotographsConfig(DataConfig):
    """Grey crops of ten photographs; the right quarter of each is held out.

    Args:
        size: side of a crop in pixels; every picture's right quarter holds at least one of 64.
    """

    loader = "zigbench.data.photographs:Photographs"
    size: Annotated[int, Field(ge=4, le=64)] = 16

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, self.size, self.size, patch)
