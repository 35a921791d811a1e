"""Networks with long skips, as U-ViT: every input is a token, and skips join the two halves of the stack."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backbones.config.long_skip import LongSkipConfig, extra_tokens
from backbones.layers.conditioning import (
    IntervalMLP,
    LabelEmbedding,
    Sinusoids,
    TextEmbedding,
    refuse_end,
    refuse_unknown,
)
from backbones.layers.patches import PatchEmbedding
from backbones.layers.position import PositionEmbedding
from backbones.network import Network
from zigbench.backbone import Geometry
from zigbench.spec import Position, ScanSpec


class LongSkipNetwork(Network):
    """A stack of depth/2 blocks in, one in the middle and depth/2 out, on tokens [label,] time, [text,] patches.

    A subclass builds the blocks (:meth:`block`) and maps the last one's output to the image (:meth:`tail`). A block
    is called with (h, residual, skip) and returns (h, residual); the h of a block in the first half is the ``skip`` of
    its mirror in the second. The residual is a second stream, for blocks that have one.

    Args:
        position_std: of the learned positions' truncated normal; 0 for zeros.
        label_std: of the label rows.
    """

    def __init__(
        self,
        config: LongSkipConfig,
        geometry: Geometry,
        scan: ScanSpec | None,
        position: Position,
        *,
        position_std: float,
        label_std: float,
    ) -> None:
        super().__init__(config, geometry, scan)
        width = config.width
        self.patches = PatchEmbedding(geometry, width, xavier=False)
        self.sinusoids = Sinusoids(width, config.time)
        self.time: nn.Module = nn.Identity()
        if config.time_mlp:
            self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.interval = IntervalMLP(width, config.time) if config.times == 2 else None
        self.label = self.text = None
        if geometry.classes is not None:
            self.label = LabelEmbedding(geometry.classes, width, config.label_dropout, std=label_std)
        if geometry.context is not None:
            self.text = TextEmbedding(geometry.context, width)
        self.extras = extra_tokens(geometry)
        self.position = PositionEmbedding(
            position, geometry, width, config.blocks, extras=self.extras, std=position_std
        )
        half = config.depth // 2
        self.blocks_in = nn.ModuleList(self.block(i, skip=False) for i in range(half))
        self.block_mid = self.block(half, skip=False)
        self.blocks_out = nn.ModuleList(self.block(half + 1 + i, skip=config.skip) for i in range(half))

    @property
    def blocks(self) -> list[nn.Module]:
        """All blocks, in the order of execution."""
        return [*self.blocks_in, self.block_mid, *self.blocks_out]

    def block(self, index: int, *, skip: bool) -> nn.Module:
        """Build block ``index`` of ``depth + 1``."""
        raise NotImplementedError

    def tail(self, h: Tensor, residual: Tensor | None, c: Tensor) -> Tensor:
        """Map the last block's streams and the condition c (B, width) to the image."""
        raise NotImplementedError

    def embed(self, tokens: Tensor) -> Tensor:
        """Map all tokens to those of the first block; DiM adds its own here."""
        return tokens

    def add_position(self, h: Tensor, layer: int) -> Tensor:
        """Add to the tokens in front of block ``layer`` that layer's position embedding, if it has one."""
        return self.position.at_layer(h, layer)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        *,
        label: Tensor | None = None,
        context: Tensor | None = None,
        end: Tensor | None = None,
    ) -> Tensor:
        """See :class:`zigbench.backbone.Backbone`."""
        self.check(x, t)
        refuse_unknown(self.geometry, label, context)
        patches = self.patches(x)
        c = self.time(self.sinusoids(t).to(patches.dtype))
        if self.interval is None:
            refuse_end(end)
        else:
            c = c + self.interval(t, end)
        tokens = [c[:, None]]
        if self.label is not None:
            row = self.label(label, len(t))
            tokens.insert(0, row[:, None])
            c = c + row
        if self.text is not None:
            text = self.text(context, len(t))
            tokens.append(text.to(patches.dtype))
            c = c + text.mean(dim=1)
        h = self.position.at_input(torch.cat([*tokens, patches], dim=1))
        h = self.embed(h)
        residual: Tensor | None = None
        skips: list[Tensor] = []
        half = len(self.blocks_in)
        for layer, block in enumerate(self.blocks):
            skip = skips.pop() if layer > half else None
            h, residual = block(self.add_position(h, layer), residual, skip)
            if layer < half:
                skips.append(h)
        return self.tail(h, residual, c)


class SkipProjection(nn.Module):
    """A Linear(2D → D) of a stream and the skip from the mirror block; without a skip, the stream alone."""

    def __init__(self, width: int, *, skip: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * width, width) if skip else None

    def forward(self, h: Tensor, skip: Tensor | None) -> Tensor:
        """Project h and skip, (B, L, width) each, to (B, L, width)."""
        if self.linear is None:
            return h
        assert skip is not None
        return self.linear(torch.cat([h, skip], dim=-1))
