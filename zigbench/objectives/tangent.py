"""The derivative of a network along the flow, in forward mode."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from zigbench.interpolant.interpolant import prediction_of


def total_derivative(network: nn.Module, x: Tensor, t: Tensor, velocity: Tensor, **fixed: Any) -> Tensor:
    """Return velocity · ∂_x u + ∂_t u of u = network(x, t, **fixed), without gradients; one pass in forward mode.

    The pass draws the same random numbers, such as dropped paths, as the network's next one. Attention takes torch's
    plain kernel, since the fused ones have no tangent.

    Args:
        network: not compiled, for a compiled graph has no forward mode.
        x: (B, …).
        t: (B,).
        velocity: dx/dt, shaped like x.
        fixed: further arguments, which do not change along the flow.

    Raises:
        ValueError: a part of the network has no derivative in forward mode; names it.
    """
    devices = [x.device] if x.is_cuda else []
    with torch.random.fork_rng(devices), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
        moved = forward_ad.make_dual(x, velocity.to(x.dtype)), forward_ad.make_dual(t, torch.ones_like(t))
        try:
            output = prediction_of(network(*moved, **fixed), x)
        except NotImplementedError as error:
            raise ValueError(
                f"{type(network).__name__} has no derivative in forward mode, which objectives of intervals take: "
                f"{str(error).splitlines()[0]}"
            ) from error
        tangent = forward_ad.unpack_dual(output).tangent
        return torch.zeros_like(x) if tangent is None else tangent.to(x.dtype).clone()
