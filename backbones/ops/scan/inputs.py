"""The inputs of a selective scan, as the backends take them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ScanInputs(NamedTuple):
    """The inputs of one scan, checked and of one type; :func:`backbones.ops.selective_scan` says what they are.

    Attributes:
        u, delta: (batch, L, d_inner).
        A: (d_inner, N).
        B, C: (batch, L, N).
        D: (d_inner,), or None.
        z: (batch, L, d_inner), or None.
        delta_bias: (d_inner,), or None.
        delta_softplus: whether delta passes a softplus.
        order: (L,) or (sequences, steps) int64, or None.
    """

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    delta_bias: Tensor | None
    delta_softplus: bool
    order: Tensor | None

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """Those with a gradient: u, delta, A, B, C, D, z, delta_bias."""
        return (self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.delta_bias)
