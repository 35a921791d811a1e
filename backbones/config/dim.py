"""Config of DiM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from backbones.config import layers
from backbones.config.dis import DiSConfig
from backbones.config.layers import EMPTY, Layer
from backbones.config.long_skip import extra_tokens
from zigbench.spec import Geometry, Position, ScanSpec
from zigbench.spec.errors import Fault
from zigbench.spec.registry import backbones


@backbones.register("dim")
class DiMConfig(DiSConfig):
    """DiM: one raster direction a block, four in turn, with learned tokens where a line ends.

    Attributes:
        pads: learned tokens behind each row and each column; the release has ``d_conv`` of them.
        smooth: a 3×3 depthwise convolution over the tokens before the first and after the last block.
    """

    network: ClassVar[str] = "backbones.dim:DiM"
    sizes: ClassVar = {"L": {"width": 1024, "depth": 48}, "H": {"width": 1536, "depth": 48}}
    default_size: ClassVar[str] = "L"
    default_scan: ClassVar[Mapping[str, Any]] = {"curve": "sweep", "schemes": 4}

    time_mlp: bool = False
    pads: Annotated[int, Field(ge=0)] = 1
    smooth: bool = True

    def directions(self, scan: ScanSpec | None = None) -> int:
        return 1

    def scanned_tokens(self, geometry: Geometry) -> int:
        rows, columns = geometry.grid
        return extra_tokens(geometry) + (rows + self.pads) * (columns + self.pads)

    def closed_form(self, geometry: Geometry, scan: ScanSpec | None, position: Position | None) -> Layer:
        smoothers = layers.depthwise_conv(geometry.tokens, self.width, 9) * 2 if self.smooth else EMPTY
        return super().closed_form(geometry, scan, position) + Layer(self.pads * self.width) + smoothers

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        if scan is not None and scan.schemes > 4:
            yield Fault("scan.schemes", str(scan.schemes), "the backbone 'dim' has 1 to 4 directions")
        if geometry.frames is not None:
            yield f"pads the ends of image rows and columns; the data are clips of {geometry.frames} frames"
