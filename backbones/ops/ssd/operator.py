"""The state space of Mamba-2: a matrix-valued state with one decay a head (Dao & Gu 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.ops import checks
from backbones.ops.matrix_state.operator import matrix_state


def ssd(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    *,
    backend: str = "auto",
) -> Tensor:
    """Run Mamba-2's state space along the rows, from a state of zeros (Dao & Gu 2024, section 6).

    With a state H (P, N) a head:

        H_t = exp(Δ_t A) H_{t-1} + Δ_t x_t B_tᵀ,   y_t = H_t C_t + D x_t

    Args:
        x: (batch, L, heads, P), the input; any row stride.
        delta: (batch, L, heads), the step sizes Δ, above 0: after bias and softplus.
        A: (heads,), negative: decay rates.
        B, C: (batch, L, N), into and out of the state; shared by the heads.
        D: (heads,), the skip weight; none if absent.
        backend: "auto" or the name of a backend.

    Returns:
        y: (batch, L, heads, P), in the widest type of x, B and C. The state is float32 (float64 for float64 input).

    Raises:
        ValueError: shapes, types or devices that disagree, an A that is not negative, an unknown or unusable backend.

    Differentiable once; forward mode takes the recurrence itself. For second derivatives take `backend="reference"`.
    """
    checks.tensor("x", x, ("batch", "L", "heads", "P"), x)
    batch, length, heads, _ = x.shape
    checks.tensor("delta", delta, (batch, length, heads), x)
    checks.tensor("A", A, (heads,), x)
    checks.tensor("B", B, (batch, length, "N"), x)
    checks.tensor("C", C, (batch, length, B.shape[2]), x)
    if D is not None:
        checks.tensor("D", D, (heads,), x)
    if not checks.is_abstract(A):
        checks.negative(A)
    log_decay = (delta * A.to(torch.promote_types(A.dtype, torch.float32))).unsqueeze(-1)
    y = matrix_state(C.unsqueeze(2), B.unsqueeze(2), x, log_decay, delta, backend=backend)
    return y if D is None else torch.addcmul(y, D.unsqueeze(-1), x).to(y.dtype)
