"""The recurrence with a matrix-valued state that ssd, gated linear attention and the gated delta rule share."""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.ops import checks
from backbones.ops.matrix_state import reference
from backbones.ops.matrix_state.inputs import StateInputs

NAMES = ("auto", "reference")


def matrix_state(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    beta: Tensor | None = None,
    *,
    delta_rule: bool = False,
    backend: str = "auto",
) -> Tensor:
    """Run the recurrence of :class:`StateInputs`, its shapes already checked, in the widest type of q, k and v.

    Raises:
        ValueError: a log_decay above 0, on a CPU; an unknown or unusable backend.
    """
    kind = torch.promote_types(torch.promote_types(q.dtype, k.dtype), v.dtype)
    inputs = StateInputs(q.to(kind), k.to(kind), v.to(kind), log_decay, beta, delta_rule)
    if backend not in NAMES:
        raise ValueError(f"backend: {backend!r}; expected one of {', '.join(map(repr, NAMES))}")
    if not checks.is_abstract(v):
        checks.not_positive("log_decay", log_decay)
    return reference.recur(inputs)
