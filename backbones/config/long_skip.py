"""Config that the families with long skips share: every input is a token, and long skips join the two halves."""

from __future__ import annotations

from collections.abc import Iterator

from backbones.config import layers
from backbones.config.base import SizedConfig
from backbones.config.layers import EMPTY, Layer
from zigbench.spec import Geometry, Position, ScanSpec
from zigbench.spec.errors import Fault


class LongSkipConfig(SizedConfig):
    """``depth / 2`` blocks in, one in the middle, ``depth / 2`` out.

    Attributes:
        time_mlp: pass the time's sinusoid through Linear(D → 4D), SiLU, Linear(4D → D).
        skip: join each block of the second half with its mirror in the first by a Linear(2D → D).
    """

    time_mlp: bool = False
    skip: bool = True

    @property
    def blocks(self) -> int:
        """Blocks in all: the named depth and the one in the middle."""
        return self.depth + 1

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        if self.depth % 2:
            yield f"depth {self.depth} is odd; the two halves of a U need an even one"

    def scanned_tokens(self, geometry: Geometry) -> int:
        """Return the number of tokens that the blocks get."""
        return extra_tokens(geometry) + geometry.tokens

    def stack(self, geometry: Geometry, tokens: int, scan: ScanSpec | None) -> Layer:
        """Return the closed form of all blocks without their skips."""
        raise NotImplementedError

    def tail(self, geometry: Geometry) -> Layer:
        """Return the closed form of what follows the last block."""
        raise NotImplementedError

    def closed_form(self, geometry: Geometry, scan: ScanSpec | None, position: Position | None) -> Layer:
        width, tokens = self.width, self.scanned_tokens(geometry)
        places = extra_tokens(geometry) + self.places(geometry)
        return (
            layers.patch_embedding(geometry, width)
            + (layers.mlp(1, width, 4) if self.time_mlp else EMPTY)
            + layers.interval(width, self.times)
            + layers.label_table(geometry, width, self.label_dropout)
            + layers.text_projection(geometry, width)
            + layers.position(position or self.default_position, places, width, self.blocks)
            + (layers.linear(tokens, 2 * width, width) * (self.depth // 2) if self.skip else EMPTY)
            + self.stack(geometry, tokens, scan)
            + self.tail(geometry)
        )


def extra_tokens(geometry: Geometry) -> int:
    """Return the number of tokens that are not patches: time, label and text."""
    return 1 + (geometry.classes is not None) + (geometry.context or (0, 0))[0]
