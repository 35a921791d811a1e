"""The non-causal form of Mamba-2's state space: one state for all tokens, and no order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from backbones.config.mixers import heads_of
from backbones.layers.mixers.initialisation import log_rates, step_bias, wide
from backbones.layers.mixers.rows import GatedNorm, Visit, projected


class NonCausalMixer(nn.Module):
    """Non-causal state space duality, NC-SSD (Shi et al. 2024, "VSSD", section 3.2), without any convolution.

    All tokens add to one state, and each reads all of it: with the steps Δ_t and one rate a a head,

        H = Σ_t Δ_t a x_t B_tᵀ,   y_t = H C_t + D x_t

    where a token's weight Δ a stands for the decay of the causal form, as in the release. All else is Mamba-2's mixer
    (:class:`backbones.layers.mixers.mamba2.Mamba2Mixer`), so that the two differ in the order alone. The release also
    has a 3×3 convolution over x, B and C, which makes it local, and a LayerNorm and a gate without SiLU in the place of
    the gated RMSNorm.

    Args:
        width: features of a token.
        orders: as of :class:`backbones.layers.mamba.MambaMixer`. Nothing depends on the order of the visit or on the
            number of directions; of (k, sequences, steps) the tokens of each sequence have a state of their own.
        d_state: states per channel.
        expand: inner width over width.
        head_width: features of a head; None for the size closest to 64.
        halve: of no effect, for there are no directions to be averaged.
        depth: blocks in the network: out_proj begins 1/√depth smaller.
    """

    sequences: Tensor | None

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        d_state: int = 16,
        expand: int = 2,
        head_width: int | None = None,
        halve: bool = False,
        depth: int = 1,
    ) -> None:
        super().__init__()
        inner = expand * width
        heads = heads_of(inner, head_width)
        self.register_buffer("sequences", orders[0].sort(-1).values if orders[0].ndim == 2 else None)
        self.sizes = (inner, inner, d_state, d_state)
        self.in_proj = nn.Linear(width, sum(self.sizes), bias=False)
        self.dt_proj = nn.Linear(width, heads, bias=False)
        self.dt_bias = nn.Parameter(step_bias(heads))
        self.A_log = nn.Parameter(log_rates(heads, 1, 16))
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = GatedNorm(inner, gate_first=True)
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.out_proj.weight /= math.sqrt(depth)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, L, width) to the same shape, in natural order."""
        if self.sequences is None:
            return self._mix(x)
        visit = Visit(self.sequences)
        return visit.put(self._mix(visit.take(x)))

    def _mix(self, x: Tensor) -> Tensor:
        z, v, B, C = projected(x, self.in_proj.weight, self.sizes)
        v, B, C = silu(v), silu(B), silu(C)
        weight = softplus(wide(self.dt_proj(x)) + wide(self.dt_bias)) * wide(self.A_log).exp()
        by_head = v.unflatten(-1, (weight.shape[-1], -1))
        state = B.mT @ (by_head * weight.unsqueeze(-1)).to(v.dtype).flatten(-2)
        y = (C @ state).unflatten(-1, by_head.shape[-2:]) + by_head * self.D.to(v.dtype).unsqueeze(-1)
        return self.out_proj(self.norm(y.flatten(-2), z))
