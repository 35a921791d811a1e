"""Gated linear attention: a matrix-valued state with a decay of its own for every row (Yang et al. 2023)."""

from __future__ import annotations

from torch import Tensor

from backbones.ops import checks
from backbones.ops.matrix_state.operator import matrix_state


def gated_linear_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, *, backend: str = "auto") -> Tensor:
    """Run gated linear attention along the rows, from a state of zeros (Yang et al. 2023, equation 3).

    With a state S (K, V) a head:

        S_t = diag(exp(log_decay_t)) S_{t-1} + k_t v_tᵀ,   o_t = S_tᵀ q_t

    Args:
        q, k: (batch, L, heads, K); any row stride. A scale of q is the caller's.
        v: (batch, L, heads, V).
        log_decay: (batch, L, heads, K), at most 0; any size, −80 and −∞ too.
        backend: "auto" or the name of a backend.

    Returns:
        o: (batch, L, heads, V), in the widest type of q, k and v. The state is float32 (float64 for float64 input).

    Raises:
        ValueError: shapes, types or devices that disagree, a log_decay above 0 (read on a CPU only), an unknown or
            unusable backend.

    Differentiable once; forward mode takes the recurrence itself. For second derivatives take `backend="reference"`.
    """
    checks.tensor("q", q, ("batch", "L", "heads", "K"), q)
    checks.tensor("k", k, tuple(q.shape), q)
    checks.tensor("v", v, (*q.shape[:3], "V"), q)
    checks.tensor("log_decay", log_decay, tuple(q.shape), q)
    return matrix_state(q, k, v, log_decay, backend=backend)
