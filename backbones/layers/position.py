"""Position embeddings on any rectangle, frames included."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zigbench.backbone import Geometry
from zigbench.spec import Position as Kind


def sinusoid(positions: Tensor, size: int) -> Tensor:
    """sin then cos of (n,) positions at ``size / 2`` frequencies: (n, size), in float64."""
    half = size // 2
    frequencies = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = positions.to(torch.float64)[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def sincos(geometry: Geometry, width: int) -> Tensor:
    """(tokens, width): the first half of the features tells the column, the second the row, as in DiT.

    Clips add the sinusoid of the frame over all features.
    """
    rows, columns = geometry.grid
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    image = torch.cat([sinusoid(column.flatten(), width // 2), sinusoid(row.flatten(), width // 2)], dim=1)
    if geometry.frames is None:
        return image
    frame = sinusoid(torch.arange(geometry.frames), width)
    return (frame[:, None] + image[None]).flatten(0, 1)


class Position(nn.Module):
    """What is added to the tokens so that they know where they are.

    ``learned`` and ``per-layer`` begin at zero unless ``std`` is given; ``sincos`` is frozen. In ZigMa's release
    the per-layer variant is one shared tensor that is never registered; here each block has its own.

    Args:
        extras: tokens in front of the patches (time, label, text) that have positions of their own.
        std: standard deviation of the truncated normal that fills the learned ones.
    """

    def __init__(
        self, kind: Kind, geometry: Geometry, width: int, depth: int, *, extras: int = 0, std: float = 0.0
    ) -> None:
        super().__init__()
        self.kind = kind
        tokens = extras + geometry.tokens
        if kind == "none":
            self.embedding = None
        elif kind == "sincos":
            fixed = torch.zeros(tokens, width)
            fixed[extras:] = sincos(geometry, width)
            self.embedding = nn.Parameter(fixed, requires_grad=False)
        else:
            shape = (tokens, width) if kind == "learned" else (depth, tokens, width)
            self.embedding = nn.Parameter(torch.zeros(shape))
            if std > 0:
                nn.init.trunc_normal_(self.embedding, std=std)

    def at_input(self, x: Tensor) -> Tensor:
        """Tokens (B, L, width) as the first block gets them."""
        return x if self.kind in ("none", "per-layer") else x + self.embedding

    def at_layer(self, x: Tensor, layer: int) -> Tensor:
        """Tokens (B, L, width) in front of block ``layer``."""
        return x if self.kind != "per-layer" else x + self.embedding[layer]
