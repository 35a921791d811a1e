"""Grey crops of ten photographs that come with scikit-image and scikit-learn: their typed config."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zigbench.spec import DataConfig, Geometry, registry
from zigbench.spec.base import later_key


@registry.data.register("photographs")
class PhotographsConfig(DataConfig):
    """Grey crops of ten photographs; the right quarter of each is held out.

    Args:
        size: side of a crop in pixels; every picture's right quarter holds at least one of 64.
        normalised: whether each crop has its mean removed and is scaled to unit deviation, so that brightness and
            contrast carry no information; crops of a deviation below 2 % of the range are left out.
    """

    loader = "zigbench.data.builtin.loaders.photographs:Photographs"
    size: Annotated[int, Field(ge=4, le=64)] = 16
    normalised: bool = later_key(False)

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, self.size, self.size, patch)
