"""The least time that a call's work can take on a device, from what it costs and what the device can do."""

from __future__ import annotations

from zigbench.efficiency.ceilings import Ceilings
from zigbench.spec import Cost

FORWARD = (1, 1, 1)
TRAINING = (3, 2, 3)
"""Operations, exponentials and traffic of a forward and a backward pass, as multiples of the forward pass's: the
backward pass has two products for each one, computes each exponential anew, and reads what it differentiates."""


def work(cost: Cost, times: tuple[int, int, int], calls: int = 1) -> Cost:
    """Cost of ``calls`` passes of a kind, :data:`FORWARD` or :data:`TRAINING`."""
    flops, exponentials, values = times
    return Cost(
        flops * cost.matrix_flops * calls,
        flops * cost.vector_flops * calls,
        exponentials * cost.exponentials * calls,
        values * cost.values * calls,
    )


def least_seconds(cost: Cost, ceilings: Ceilings, *, precision: str, value_bytes: int) -> float:
    """The roofline (Williams et al. 2009) with three roofs: arithmetic, exponentials and memory traffic.

    Matrix products go at their rate in the precision; scans and depthwise convolutions at that of float32, which
    uses the same units. The three overlap perfectly, so the slowest alone counts.

    Args:
        cost: of the whole call.
        ceilings: of the device.
        precision: of matrix products and activations.
        value_bytes: of one number in that precision.
    """
    arithmetic = cost.matrix_flops / ceilings.matmul(precision) + cost.vector_flops / ceilings.matmul_float32
    return max(arithmetic, cost.exponentials / ceilings.exp, value_bytes * cost.values / ceilings.copy)
