"""The networks for clips: ZigMa and DiT with every block along the whole box, along space or along time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from backbones.bidirectional import both_ways
from backbones.config.video import Axis, ClipConfig, DiTVideoConfig, ZigMaVideoConfig
from backbones.dit import DiT
from backbones.layers.attention import SelfAttention
from backbones.layers.position import PositionEmbedding
from backbones.zigma import ZigMa
from zigbench.backbone import Geometry
from zigbench.spec import Position


def token_numbers(geometry: Geometry) -> Tensor:
    """Return the natural number of each token: (frames, places) int64."""
    rows, columns = geometry.grid
    frames = geometry.frames or 1
    return torch.arange(frames * rows * columns).view(frames, rows * columns)


class ZigMaVideo(ZigMa):
    """ZigMa on clips (B, T, C, H, W), in the three ways of the paper.

    - (a) 3D sweep: ``pattern = joint``, ``curve = sweep``, ``bidirectional``: the flattened clip, both ways.
    - (b) 3D zigzag: ``pattern = joint``, ``curve = zigzag``: eight continuous walks of the box, one a block.
    - (c) factorized: a pattern such as ``ssts``. The k-th spatial block scans each frame by itself along variant
      k % schemes; temporal blocks scan the frames at each place by itself, forward and backward in turn.

    All three hold the same parameters, but for the second direction of (a). The order of a factorized block has two
    dimensions, one row for each frame or place, and goes to the kernel as it is: nothing is copied, and a block's
    output has the natural order of its input. In the release a factorized network can't be built (a renamed key), its
    temporal layers write their output reversed in time, and a 3D zigzag is missing.
    """

    config: ZigMaVideoConfig

    def orders(self) -> list[Tensor]:
        """Return each block's orders: (directions, tokens) of a joint one, else (directions, sequences, steps)."""
        config = self.config
        if config.pattern == "joint":
            orders = self.scan_orders(config.depth)
        else:
            orders = list(self._factorized())
        return [both_ways(order) if config.bidirectional else order[None] for order in orders]

    def position_embedding(self, kind: Position) -> PositionEmbedding:
        return clip_position_embedding(kind, self.config, self.geometry)

    def _factorized(self) -> Iterator[Tensor]:
        natural = token_numbers(self.geometry)
        spatial = self.config.axes.count("space")
        within = iter(self.scan_orders(max(1, spatial), grid=self.geometry.grid))
        backward = False
        for axis in self.config.axes:
            if axis == "space":
                yield natural[:, next(within)]
            else:
                yield natural.T.flip(1) if backward else natural.T
                backward = not backward


def clip_position_embedding(kind: Position, config: ClipConfig, geometry: Geometry) -> PositionEmbedding:
    """Return the position embedding along the axes that the config names."""
    return PositionEmbedding(kind, geometry, config.width, config.depth, axes=config.position_axes)


class AxialAttention(SelfAttention):
    """Self-attention within each frame, or among the frames at each place.

    Args:
        axis: ``space`` or ``time``.
        frames: of a clip, whose tokens come frame after frame.
    """

    def __init__(self, width: int, heads: int, *, qkv_bias: bool, axis: Axis, frames: int) -> None:
        super().__init__(width, heads, qkv_bias=qkv_bias)
        self.axis = axis
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, frames · places, width) to the same shape and order."""
        clips = x.unflatten(1, (self.frames, -1))
        if self.axis == "space":
            return super().forward(clips.flatten(0, 1)).unflatten(0, (-1, self.frames)).flatten(1, 2)
        # The flash kernels want one batch dimension, so the frames of a place are brought together.
        places = clips.shape[2]
        mixed = super().forward(clips.transpose(1, 2).flatten(0, 1))
        return mixed.unflatten(0, (-1, places)).transpose(1, 2).flatten(1, 2)

    def orders(self, geometry: Geometry) -> Tensor:
        """Return scans along which a token sees the tokens that it attends to: (2, sequences, steps)."""
        natural = token_numbers(geometry)
        return both_ways(natural if self.axis == "space" else natural.T)


class DiTVideo(DiT):
    """DiT on clips (B, T, C, H, W): the transformers that the scans of clips are compared with.

    ``pattern = joint`` attends over all tokens of the clip; ``st`` within each frame and among the frames at each
    place in turn, each block with an MLP of its own, as in Latte (Ma et al. 2024). The parameters are the same.
    """

    config: DiTVideoConfig

    def attentions(self) -> Iterator[nn.Module]:
        width, heads, frames = self.config.width, self.config.heads, self.geometry.frames or 1
        for axis in self.config.axes:
            if axis == "joint":
                yield SelfAttention(width, heads, qkv_bias=True)
            else:
                yield AxialAttention(width, heads, qkv_bias=True, axis=axis, frames=frames)

    def position_embedding(self, kind: Position) -> PositionEmbedding:
        return clip_position_embedding(kind, self.config, self.geometry)
