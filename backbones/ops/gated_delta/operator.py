"""The gated delta rule: a matrix-valued state that forgets what it holds at a key before it writes there."""

from __future__ import annotations

from torch import Tensor

from backbones.ops import checks
from backbones.ops.matrix_state.operator import matrix_state


def gated_delta(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, *, backend: str = "auto") -> Tensor:
    """Run the gated delta rule along the rows, from a state of zeros (Yang et al. 2024, equation 10).

    With a state S (V, K) a head and α_t = exp(log_decay_t):

        S_t = α_t S_{t-1} (I − β_t k_t k_tᵀ) + β_t v_t k_tᵀ,   o_t = S_t q_t

    Args:
        q, k: (batch, L, heads, K); any row stride. A state that does not grow needs keys of length at most 1.
        v: (batch, L, heads, V).
        log_decay: (batch, L, heads), at most 0.
        beta: (batch, L, heads), from 0 (nothing is written) to 1 (what was held at k is replaced).
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
    checks.tensor("log_decay", log_decay, tuple(q.shape[:3]), q)
    checks.tensor("beta", beta, tuple(q.shape[:3]), q)
    return matrix_state(q, k, v, log_decay.unsqueeze(-1), beta, delta_rule=True, backend=backend)
