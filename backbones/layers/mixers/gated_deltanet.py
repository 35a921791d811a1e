"""Gated DeltaNet: a matrix state a head, decayed by one number a token and corrected at its key."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from backbones.layers.mixers.base import LinearAttentionMixer
from backbones.layers.mixers.initialisation import log_rates, step_bias, wide, xavier
from backbones.ops import causal_conv, gated_delta


class GatedDeltaBranch(nn.Module):
    """One direction: convolution over q, k and v, decay and strength, the recurrence (Yang et al. 2024, equation 10).

    α = exp(−exp(A_log) softplus(a + dt_bias)) and β = σ(b) a head. Its initialisation is that of the release (fla-org/
    flash-linear-attention, ``GatedDeltaNet``): rates uniform in (0, 16], the steps log-uniform in [0.001, 0.1],
    Xavier with a gain of 2^(−5/2), the convolution as torch's default, without a bias.

    Args:
        width: features of a token outside the mixer.
        keys, values: features of the keys and of the values, of all heads.
        heads: heads that both are split into.
        d_conv: taps of the convolution.
    """

    def __init__(self, width: int, keys: int, values: int, heads: int, *, d_conv: int) -> None:
        super().__init__()
        self.heads = heads
        self.split = (keys, keys, values)
        bound = d_conv**-0.5  # as torch's: the fan-in of a depthwise convolution is the number of taps
        self.conv_weight = nn.Parameter(torch.empty(sum(self.split), d_conv).uniform_(-bound, bound))
        self.decay = nn.Linear(width, heads, bias=False)
        self.strength = nn.Linear(width, heads, bias=False)
        xavier(self.decay.weight)
        xavier(self.strength.weight)
        self.A_log = nn.Parameter(log_rates(heads, 0, 16))
        self.dt_bias = nn.Parameter(step_bias(heads))

    def forward(self, tokens: Tensor, streams: Tensor) -> Tensor:
        """Map the tokens (B, L, width) and q, k, v (B, L, 2 keys + values), in the order, to (B, L, values)."""
        u = causal_conv(streams, self.conv_weight, activation="silu")
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in u.split(self.split, dim=-1))
        log_decay = -wide(self.A_log).exp() * softplus(wide(self.decay(tokens)) + wide(self.dt_bias))
        beta = wide(self.strength(tokens)).sigmoid()
        scale = q.shape[-1] ** -0.5
        q, k = normalize(q, dim=-1, eps=1e-6) * scale, normalize(k, dim=-1, eps=1e-6)
        return gated_delta(q, k, v, log_decay, beta).flatten(-2)


class GatedDeltaNetMixer(LinearAttentionMixer):
    """Gated DeltaNet (Yang et al. 2024): keys and queries of length one, norm(o) · SiLU(g) by head before out_proj.

    Values have the inner width and keys half of it, as in the release, where the inner width is 1.5 times the width.

    Args:
        width, orders, halve, depth: as of :class:`backbones.layers.mixers.base.RecurrentMixer`.
        d_conv: taps of the convolution.
        expand: inner width over width.
        head_width: values of a head, an even number; None for the size closest to 64.
    """

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        d_conv: int = 4,
        expand: int = 2,
        head_width: int | None = None,
        halve: bool = False,
        depth: int = 1,
    ) -> None:
        super().__init__(
            width,
            orders,
            branch=lambda *sizes: GatedDeltaBranch(width, *sizes, d_conv=d_conv),
            expand=expand,
            head_width=head_width,
            halve=halve,
            depth=depth,
        )
