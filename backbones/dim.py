"""DiM: one raster direction a block, with learned tokens where a line ends."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from backbones.config.dim import DiMConfig
from backbones.dis import DiS
from zigbench.backbone import Geometry
from zigbench.spec import Position, ScanSpec

DIRECTIONS = (0, 1, 6, 7)
"""Variants of the row-major curve: rows, columns, rows backward, columns backward."""


class DiM(DiS):
    """DiM (Teng et al. 2024, "DiM: Diffusion Mamba for Efficient High-Resolution Image Synthesis").

    A raster scan jumps from the end of one line to the start of the next. DiM marks these places for the scan: learned
    tokens stand behind each row and each column, so that the grid that is scanned is (h + p)×(w + p); they pass through
    all blocks and are dropped at the end. The blocks scan forward only, taking in turn rows, columns, rows backward and
    columns backward. Two 3×3 depthwise convolutions, before the first block and behind the last one, mix neighbours.
    From the paper; the release has d_conv pad tokens a line (``pads``) and adaLN in its blocks, while here all
    conditions are tokens, as in U-ViT and DiS, and modulate the tail only.
    """

    config: DiMConfig

    def __init__(self, config: DiMConfig, geometry: Geometry, scan: ScanSpec, position: Position) -> None:
        super().__init__(config, geometry, scan, position)
        width = config.width
        self.pad = nn.Parameter(0.02 * torch.randn(config.pads, width)) if config.pads else None
        self.smooth_in = self.smooth_out = None
        if config.smooth:
            self.smooth_in = nn.Conv2d(width, width, 3, padding=1, groups=width)
            self.smooth_out = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def orders(self) -> list[Tensor]:
        assert self.scan is not None
        variants = DIRECTIONS[: self.scan.schemes]
        grid = tuple(side + self.config.pads for side in self.geometry.grid)
        orders = self.scan_orders(self.config.blocks, variants=lambda i: variants[i % len(variants)], grid=grid)
        return [self.after_extras(order)[None] for order in orders]

    def embed(self, tokens: Tensor) -> Tensor:
        """Map (B, extras + h·w, width) to (B, extras + (h + p)(w + p), width)."""
        patches = self._smoothed(tokens[:, self.extras :].unflatten(1, self.geometry.grid), self.smooth_in)
        if self.pad is not None:
            batch, rows, columns, width = patches.shape
            p = len(self.pad)
            patches = torch.cat([patches, self.pad.expand(batch, rows, p, width)], dim=2)
            below = self.pad[:, None].expand(batch, p, columns + p, width)
            patches = torch.cat([patches, below], dim=1)
        return torch.cat([tokens[:, : self.extras], patches.flatten(1, 2)], dim=1)

    def add_position(self, h: Tensor, layer: int) -> Tensor:
        if self.position.kind != "per-layer" or self.position.embedding is None:
            return h
        embedding = self.position.embedding[layer]
        p = self.config.pads
        # A pad token is the same at every place: its position is zero.
        grid = pad(embedding[self.extras :].unflatten(0, self.geometry.grid), (0, 0, 0, p, 0, p))
        return h + torch.cat([embedding[: self.extras], grid.flatten(0, 1)])

    def unembed(self, h: Tensor) -> Tensor:
        rows, columns = self.geometry.grid
        p = self.config.pads
        patches = h[:, self.extras :].unflatten(1, (rows + p, columns + p))[:, :rows, :columns]
        return self._smoothed(patches, self.smooth_out).flatten(1, 2)

    @staticmethod
    def _smoothed(patches: Tensor, conv: nn.Module | None) -> Tensor:
        """Add to (B, h, w, width) its depthwise convolution."""
        if conv is None:
            return patches
        return patches + conv(patches.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
