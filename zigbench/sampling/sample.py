"""Drawing samples in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Generator, Tensor

from zigbench.interpolant.interpolant import Interpolant, Model
from zigbench.sampling.sampler import Sampler


def sample(
    model: Model,
    interpolant: Interpolant,
    noise: Tensor,
    *,
    solver: str = "euler",
    steps: int = 50,
    label: Tensor | None = None,
    context: Tensor | None = None,
    guidance: float = 1.0,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    generator: Generator | Sequence[int] | None = None,
    **options: Any,
) -> Tensor:
    """Carry ``noise`` (t = 0) to data (t = 1).

    Args:
        model: the network, in evaluation mode; called with x in the precision of ``noise``.
        interpolant: what the network was trained on.
        noise: standard normal, (B, C, H, W) or (B, T, C, H, W). The solver's own state is in float32 at least.
        solver, steps, guidance, guidance_interval, options: see :class:`Sampler`.
        label: (B,) classes, -1 for none.
        context: (B, tokens, width).
        generator: for stochastic solvers, one generator for the batch, or one seed per sample; with seeds a
            sample does not depend on its companions.

    Returns:
        Samples shaped and typed like ``noise``. Wrap the model in :class:`Counted` to count its evaluations.

    Raises:
        ValueError: options that cannot go together, before the network is called.
    """
    sampler = Sampler(solver=solver, steps=steps, guidance=guidance, guidance_interval=guidance_interval, **options)
    return sampler(model, interpolant, noise, label=label, context=context, generator=generator)
