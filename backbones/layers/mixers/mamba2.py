"""Mamba-2's mixer: a matrix state a head, decayed by one number a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from backbones.config.mixers import heads_of
from backbones.layers.mixers.base import RecurrentMixer
from backbones.layers.mixers.initialisation import log_rates, step_bias, wide
from backbones.layers.mixers.rows import GatedNorm
from backbones.ops import causal_conv, ssd


class SSDBranch(nn.Module):
    """One direction: convolution over x, B and C, step sizes, the recurrence (Dao and Gu 2024, section 7).

    Its initialisation is that of the release (state-spaces/mamba, ``Mamba2Simple``): rates uniform in [1, 16], Δ
    log-uniform in [0.001, 0.1], D one, the convolution as torch's default. B and C are one group, shared by the heads.

    Args:
        width: features of a token outside the mixer.
        inner: channels that are scanned.
        heads: heads that the channels are split into.
        d_state: states per channel.
        d_conv: taps of the convolution.
    """

    def __init__(self, width: int, inner: int, heads: int, *, d_state: int, d_conv: int) -> None:
        super().__init__()
        self.split = (inner, d_state, d_state)
        bound = d_conv**-0.5  # as torch's: the fan-in of a depthwise convolution is the number of taps
        channels = sum(self.split)
        self.conv_weight = nn.Parameter(torch.empty(channels, d_conv).uniform_(-bound, bound))
        self.conv_bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))
        self.dt_proj = nn.Linear(width, heads, bias=False)
        self.dt_bias = nn.Parameter(step_bias(heads))
        self.A_log = nn.Parameter(log_rates(heads, 1, 16))
        self.D = nn.Parameter(torch.ones(heads))

    def forward(self, tokens: Tensor, streams: Tensor) -> Tensor:
        """Map the tokens (B, L, width) and x, B, C (B, L, inner + 2 N), in the order, to (B, L, inner)."""
        u = causal_conv(streams, self.conv_weight, self.conv_bias, activation="silu")
        x, B, C = u.split(self.split, dim=-1)
        delta = softplus(wide(self.dt_proj(tokens)) + wide(self.dt_bias))
        y = ssd(x.unflatten(-1, (len(self.D), -1)), delta, -wide(self.A_log).exp(), B, C, wide(self.D))
        return y.flatten(-2)


class Mamba2Mixer(RecurrentMixer):
    """Mamba-2 (Dao and Gu 2024): norm(y · SiLU(z)) before out_proj, all projections of the tokens in one.

    With one direction its parameters are those of the release. Several directions share z, x, B and C before the
    convolution, and each has a convolution, Δ, A and D of its own.

    Args:
        width, orders, halve, depth: as of :class:`backbones.layers.mixers.base.RecurrentMixer`.
        d_state: states per channel; the release has 64 to 128.
        d_conv: taps of the convolution.
        expand: inner width over width.
        head_width: features of a head; None for the size closest to 64.
    """

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        head_width: int | None = None,
        halve: bool = False,
        depth: int = 1,
    ) -> None:
        inner = expand * width
        heads = heads_of(inner, head_width)
        super().__init__(
            width,
            orders,
            inner=inner,
            streams=inner + 2 * d_state,
            direction=lambda: SSDBranch(width, inner, heads, d_state=d_state, d_conv=d_conv),
            norm=GatedNorm(inner, gate_first=True),
            halve=halve,
            depth=depth,
        )
