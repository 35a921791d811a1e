"""Classifier-free guidance.

Ho and Salimans, "Classifier-free diffusion guidance" (2022): output = u + g (c − u) of the conditional output c and
the unconditional u; applied in an interval of times only, as in Kynkäänniemi et al., "Applying guidance in a limited
interval improves sample and distribution quality in diffusion models" (2024). All four predictions are affine in
each other with the same dependence on x, so guiding one guides all in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.backbone import NO_LABEL


@dataclass(frozen=True)
class Guidance:
    """The strength of guidance, its interval of times, and its channels.

    Args:
        scale: g; 1 is the conditional network, 0 the unconditional one.
        interval: (first, last) time of guiding, in [0, 1]; outside of it the network is conditional.
        channels: guide the first so many channels only (3 in DiT and SiT) and keep the conditional output in the
            others; None for all.
    """

    scale: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)
    channels: int | None = None

    def __post_init__(self) -> None:
        if not self.scale >= 0:
            raise ValueError(f"guidance is {self.scale}; it must be at least 0 (1 is the plain conditional network)")
        first, last = self.interval
        if not 0 <= first <= last <= 1:
            raise ValueError(f"guidance interval ({first}, {last}) must satisfy 0 ≤ first ≤ last ≤ 1")
        if self.channels is not None and self.channels < 1:
            raise ValueError(f"guidance channels is {self.channels}; it must be at least 1, or None for all")

    def active(self, t: float) -> bool:
        """Return whether the output at ``t`` differs from the conditional one."""
        return self.scale != 1 and self.inside(t)

    def inside(self, t: float) -> bool:
        """Return whether ``t`` lies in the interval of guiding."""
        return self.interval[0] <= t <= self.interval[1]

    def restrict(self, shift: Tensor) -> Tensor:
        """Return what is added to an output, (B, …), with 0 in the channels that are not guided."""
        if self.channels is None:
            return shift
        axis = shift.dim() - 3
        first = shift.narrow(axis, 0, self.channels)
        return torch.cat(
            [first, torch.zeros_like(shift.narrow(axis, self.channels, shift.shape[axis] - self.channels))], axis
        )

    def combine(
        self,
        evaluate: Callable[[Tensor | None, Tensor | None], Tensor],
        t: float,
        label: Tensor | None,
        context: Tensor | None,
    ) -> Tensor:
        """Return the guided output at ``t``.

        Args:
            evaluate: the network at this x and t as a function of (label, context).
            t: time in [0, 1].
            label: (B,) or None; -1 stands for no label.
            context: (B, tokens, width) or None for no context.
        """
        if not self.active(t):
            return evaluate(label, context)
        no_label = None if label is None else torch.full_like(label, NO_LABEL)
        free = evaluate(no_label, None)
        if self.scale == 0 and self.channels is None:
            return free
        conditional = evaluate(label, context)
        guided = free + self.scale * (conditional - free)
        if self.channels is None:
            return guided
        axis = guided.dim() - 3
        rest = conditional.narrow(axis, self.channels, conditional.shape[axis] - self.channels)
        return torch.cat([guided.narrow(axis, 0, self.channels), rest], axis)
