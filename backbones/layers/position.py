"""Position embeddings on any rectangle, frames included."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zigbench.backbone import Geometry
from zigbench.spec import Position


def sinusoid(positions: Tensor, size: int) -> Tensor:
    """Return sin then cos of (n,) positions at ``size / 2`` frequencies: (n, size), in float64."""
    half = size // 2
    frequencies = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = positions.to(torch.float64)[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)


Axes = Literal["joint", "space", "time", "both"]


def sincos(geometry: Geometry, width: int, axes: Axes = "joint") -> Tensor:
    """Return (tokens, width): the first half of the features encodes the column, the second the row, as in DiT.

    Clips add the sinusoid of the frame over all features. Of ``space`` and ``time`` there is that part alone, for
    the places of one frame and for the frames.
    """
    rows, columns = geometry.grid
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    image = torch.cat([sinusoid(column.flatten(), width // 2), sinusoid(row.flatten(), width // 2)], dim=1)
    if geometry.frames is None or axes == "space":
        return image
    frame = sinusoid(torch.arange(geometry.frames), width)
    return frame if axes == "time" else (frame[:, None] + image[None]).flatten(0, 1)


class PositionEmbedding(nn.Module):
    """Position embeddings, which are added to the tokens.

    ``learned`` and ``per-layer`` begin at zero unless ``std`` is given; ``sincos`` is frozen. In ZigMa's release
    the per-layer variant is one shared tensor that is never registered; here each block has its own.

    Args:
        extras: tokens in front of the patches (time, label, text) that have positions of their own.
        axes: of clips without extras: a vector for every token (``joint``), for every place of a frame, the same in
            all frames (``space``), for every frame (``time``), or for each place and for each frame, which are added
            (``both``).
        std: standard deviation of the truncated normal that fills the learned ones.
    """

    def __init__(
        self,
        kind: Position,
        geometry: Geometry,
        width: int,
        depth: int,
        *,
        extras: int = 0,
        axes: Axes = "joint",
        std: float = 0.0,
    ) -> None:
        super().__init__()
        assert axes == "joint" or extras == 0
        assert (kind, axes) != ("sincos", "both")  # a sum already
        self.kind = kind
        self.axes = axes
        self.frames = geometry.frames or 1
        self.places = geometry.tokens // self.frames
        vectors = {
            "joint": geometry.tokens,
            "space": self.places,
            "time": self.frames,
            "both": self.places + self.frames,
        }
        tokens = extras + vectors[axes]
        if kind == "none":
            self.embedding = None
        elif kind == "sincos":
            fixed = torch.zeros(tokens, width)
            fixed[extras:] = sincos(geometry, width, axes)
            self.embedding = nn.Parameter(fixed, requires_grad=False)
        else:
            shape = (tokens, width) if kind == "learned" else (depth, tokens, width)
            self.embedding = nn.Parameter(torch.zeros(shape))
            if std > 0:
                nn.init.trunc_normal_(self.embedding, std=std)

    def at_input(self, x: Tensor) -> Tensor:
        """Return the tokens (B, L, width) with the position embedding of the network's input added."""
        return x if self.embedding is None or self.kind == "per-layer" else x + self._spread(self.embedding)

    def at_layer(self, x: Tensor, layer: int) -> Tensor:
        """Return the tokens (B, L, width) with the position embedding of block ``layer`` added."""
        return x if self.embedding is None or self.kind != "per-layer" else x + self._spread(self.embedding[layer])

    def _spread(self, embedding: Tensor) -> Tensor:
        """Expand the stored embeddings to all tokens."""
        if self.axes == "joint":
            return embedding
        if self.axes == "space":
            return embedding.repeat(self.frames, 1)
        if self.axes == "time":
            return embedding.repeat_interleave(self.places, dim=0)
        place, frame = embedding.split([self.places, self.frames])
        return (frame[:, None] + place[None]).flatten(0, 1)
