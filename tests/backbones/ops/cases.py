"""Inputs that the tests of the scan and of the convolution share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backbones.ops.scan.inputs import ScanInputs


@dataclass
class ScanCase:
    """Arguments of `selective_scan`, by name; `call` applies it with changes."""

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    delta_bias: Tensor | None
    order: Tensor | None

    def tensors(self) -> list[Tensor]:
        """The floating-point ones that are there, in the function's order."""
        given = (self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.delta_bias)
        return [x for x in given if x is not None]

    def inputs(self) -> ScanInputs:
        """The same as a backend takes them, with a softplus."""
        rest = self.D, self.z, self.delta_bias, True, self.order
        return ScanInputs(self.u, self.delta, self.A, self.B, self.C, *rest)

    def to(self, dtype: torch.dtype) -> ScanCase:
        """Detached copies in `dtype`, leaves of a graph."""
        return ScanCase(
            *(
                None if x is None else x.detach().to(dtype).requires_grad_()
                for x in (self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.delta_bias)
            ),
            order=self.order,
        )

    def call(self, **changes: object) -> Tensor:
        from backbones.ops import selective_scan

        given = dict(vars(self))
        given.update(changes)
        return selective_scan(**given)


def scan_inputs(
    batch: int,
    length: int,
    channels: int,
    states: int,
    *,
    seed: int = 0,
    optional: bool = True,
    ordered: bool = True,
    views: bool = False,
) -> ScanCase:
    """Normal inputs with Δ about 0.1 and A between -1 and -16; `views` makes rows overlap other tensors."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    def rows(width: int) -> Tensor:
        return normal(batch, length, 2 * width + 3)[..., 1 : width + 1] if views else normal(batch, length, width)

    return ScanCase(
        u=rows(channels),
        delta=rows(channels) * 0.5 - 2.0 if not views else rows(channels),
        A=-torch.exp(torch.rand(channels, states, generator=generator) * 2.77),
        B=rows(states),
        C=rows(states),
        D=normal(channels) if optional else None,
        z=rows(channels) if optional else None,
        delta_bias=0.3 * normal(channels) if optional else None,
        order=torch.randperm(length, generator=generator) if ordered else None,
    )


def error(found: Tensor, exact: Tensor) -> float:
    """Largest difference relative to the largest entry; 0 for empty tensors."""
    found, exact = found.detach(), exact.detach()
    assert found.shape == exact.shape
    if exact.numel() == 0:
        return 0.0
    scale = max(float(exact.abs().max()), 1e-30)
    return float((found.double() - exact.double()).abs().max()) / scale
