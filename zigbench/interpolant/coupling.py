"""Couplings: the pairing of noise and data in a batch.

Independent: as drawn. Optimal transport: the noise of the batch is permuted so that the summed squared distance
to the data is least, which straightens the paths. Pooladian et al., "Multisample flow matching" (2023), section
3.2; Tong et al., "Improving and generalizing flow-based generative models with minibatch optimal transport"
(2024). A permutation does not change either set, so both marginals are exact.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def independent(data: Tensor, noise: Tensor) -> Tensor:
    """Return the noise as it was drawn."""
    return noise


def optimal_transport(data: Tensor, noise: Tensor) -> Tensor:
    """Return the noise permuted to the least sum of squared distances to the data, exactly (B³ at worst, on the CPU).

    Args:
        data, noise: (B, …).
    """
    # Norms do not depend on the permutation: the least distance is the greatest inner product.
    affinity = data.flatten(1).float() @ noise.flatten(1).float().T
    _, partner = linear_sum_assignment(affinity.cpu().numpy(), maximize=True)
    return noise[torch.as_tensor(partner, device=noise.device)]


MEMBERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "independent": independent,
    "optimal-transport": optimal_transport,
}

COUPLINGS = tuple(MEMBERS)
"""Names of the couplings."""
