"""Gated linear attention: a matrix state a head, each row of which decays by itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from backbones.config.mixers import GATE_RANK
from backbones.layers.mixers.base import LinearAttentionMixer
from backbones.layers.mixers.initialisation import wide, xavier
from backbones.ops import gated_linear_attention

TEMPERATURE = 16.0
"""Divisor of log α: decays begin near 1 (Yang et al. 2023, section 4.4)."""


class GLABranch(nn.Module):
    """One direction: the decays, by a projection of rank 16, and the recurrence (Yang et al. 2023, equation 3).

    Args:
        width: features of a token outside the mixer.
        keys, values: features of the keys and of the values, of all heads.
        heads: heads that both are split into.
    """

    def __init__(self, width: int, keys: int, values: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.split = (keys, keys, values)
        self.low = nn.Linear(width, GATE_RANK, bias=False)
        self.decay = nn.Linear(GATE_RANK, keys)
        xavier(self.low.weight)
        xavier(self.decay.weight)
        nn.init.zeros_(self.decay.bias)

    def forward(self, tokens: Tensor, streams: Tensor) -> Tensor:
        """Map the tokens (B, L, width) and q, k, v (B, L, 2 keys + values), in the order, to (B, L, values)."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in streams.split(self.split, dim=-1))
        log_decay = logsigmoid(wide(self.decay(self.low(tokens)))) / TEMPERATURE
        scale = q.shape[-1] ** -0.5
        return gated_linear_attention(q * scale, k, v, log_decay.unflatten(-1, (self.heads, -1))).flatten(-2)


class GLAMixer(LinearAttentionMixer):
    """Gated linear attention (Yang et al. 2023), which DiG scans with: norm(o) · SiLU(g) by head before out_proj.

    Values have the inner width, and keys half of it: with ``expand`` 1 the layer has the widths of the paper. Keys,
    queries and values are not activated and there is no convolution, as in the release (fla-org/
    flash-linear-attention), the initialisation of which this is: Xavier with a gain of 2^(−5/2), the decays' bias zero.

    Args:
        width, orders, halve, depth: as of :class:`backbones.layers.mixers.base.RecurrentMixer`.
        expand: inner width over width.
        head_width: values of a head, an even number; None for the size closest to 64.
    """

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        expand: int = 2,
        head_width: int | None = None,
        halve: bool = False,
        depth: int = 1,
    ) -> None:
        super().__init__(
            width,
            orders,
            branch=lambda *sizes: GLABranch(width, *sizes),
            expand=expand,
            head_width=head_width,
            halve=halve,
            depth=depth,
        )
