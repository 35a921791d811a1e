"""The inputs of a recurrence with a matrix-valued state, as the backends take them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class StateInputs(NamedTuple):
    """The inputs of one recurrence, checked; ssd, gated linear attention and the gated delta rule are cases of it.

    With a state S (K, V) a head that begins at zero, and g, β of the step:

        S ← diag(exp(g)) S,   S ← S + β k (v − Sᵀ k)ᵀ with the delta rule, β k vᵀ without,   o = Sᵀ q

    Attributes:
        q, k: (batch, L, heads, K), or (batch, L, 1, K) where the heads share them.
        v: (batch, L, heads, V), of the same type as q and k.
        log_decay: (batch, L, heads, K), or (batch, L, heads, 1) where a head's rows share it; at most 0.
        beta: (batch, L, heads), the strength of the writing; None for 1.
        delta_rule: whether what the state holds at k is subtracted from v before it is written.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    log_decay: Tensor
    beta: Tensor | None
    delta_rule: bool

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """Those with a gradient: q, k, v, log_decay, beta."""
        return (self.q, self.k, self.v, self.log_decay, self.beta)
