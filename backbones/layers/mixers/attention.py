"""Self-attention in the place of a scan: it sees all tokens at once, and no order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from backbones.config.mixers import heads_of
from backbones.layers.attention import SelfAttention
from backbones.layers.mixers.rows import Visit


def plain_attention(width: int, head_width: int | None, depth: int) -> SelfAttention:
    """Return attention as DiT's, its biases zero and its output's projection 1/√depth smaller, as ZigMa begins."""
    attention = SelfAttention(width, heads_of(width, head_width), qkv_bias=True)
    nn.init.zeros_(attention.qkv.bias)
    nn.init.zeros_(attention.proj.bias)
    with torch.no_grad():
        attention.proj.weight /= math.sqrt(depth)
    return attention


class AttentionMixer(nn.Module):
    """Softmax attention over all tokens: :func:`plain_attention`.

    Args:
        width: features of a token.
        orders: as of :class:`backbones.layers.mamba.MambaMixer`. Nothing depends on the order of the visit or on the
            number of directions; of (k, sequences, steps) the tokens of each sequence attend to one another.
        head_width: features of a head; None for the size closest to 64.
        halve: of no effect, for there are no directions to be averaged.
        depth: blocks in the network: the projection of the output begins 1/√depth smaller.
        shared: the attention that several blocks share and the network holds; None for one of its own.
    """

    sequences: Tensor | None

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        head_width: int | None = None,
        halve: bool = False,
        depth: int = 1,
        shared: SelfAttention | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("sequences", orders[0].sort(-1).values if orders[0].ndim == 2 else None)
        self.own = plain_attention(width, head_width, depth) if shared is None else None
        # In a tuple, shared attention is no part of this module: where blocks are sharded, no block may own it.
        self._shared = None if shared is None else (shared,)

    @property
    def attention(self) -> SelfAttention:
        """The attention that it computes with, its own or the shared one."""
        if self._shared is not None:
            return self._shared[0]
        assert self.own is not None
        return self.own

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, L, width) to the same shape, in natural order."""
        if self.sequences is None:
            return self.attention(x)
        visit = Visit(self.sequences)
        return visit.put(self.attention(visit.take(x)))
