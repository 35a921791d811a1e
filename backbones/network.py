"""What every network of this package does: check its input, keep its geometry, name its kernels."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

import torch
from torch import Tensor, nn

from backbones.config.base import ScanConfig, SizedConfig
from backbones.layers.patches import check_input, to_image
from backbones.ops import norm
from backbones.ops.choice import tried
from backbones.ops.self_check import FAILED
from zigbench.backbone import Geometry
from zigbench.scan import layer_orders


class Network(nn.Module):
    """Base of the backbones.

    Attributes:
        calls_fused: whether it calls what is in :mod:`backbones.ops.norm`.
    """

    calls_fused: ClassVar[bool] = False

    config: SizedConfig
    geometry: Geometry

    def __init__(self, config: SizedConfig, geometry: Geometry) -> None:
        super().__init__()
        self.config = config
        self.geometry = geometry
        self.out_channels = geometry.channels * (2 if config.learned_sigma else 1)

    @staticmethod
    def kernels(config: SizedConfig, device: torch.device) -> str:
        """What mixes the tokens of such a network on ``device``, for its record: "cpu (numba 0.60)"."""
        if not isinstance(config, ScanConfig):
            return f"scaled_dot_product_attention (torch {torch.__version__})"
        chosen = tried(device)[-1]
        return f"{chosen.name} ({chosen.version})"

    @classmethod
    def kernel_faults(cls, config: SizedConfig, device: torch.device) -> list[str]:
        """Kernels that should serve ``device`` and gave wrong results in their comparison with the reference.

        All that such a network calls are loaded by this, compiled first where no process has before.
        """
        if cls.calls_fused:
            norm.load(device)
        if not isinstance(config, ScanConfig):
            return []
        return [f"{found.name}: {found.reason}" for found in tried(device) if found.reason.startswith(FAILED)]

    @staticmethod
    def register_flop_formulas() -> None:
        """Give torch's counter of operations the formulas of this package's kernels."""
        import_module("backbones.analysis.reach")

    def check(self, x: Tensor, t: Tensor) -> None:
        """See :func:`backbones.layers.patches.check_input`."""
        check_input(x, t, self.geometry)

    def image(self, tokens: Tensor) -> Tensor:
        """(B, tokens, patch² · out_channels) to (B, [T,] out_channels, H, W)."""
        return to_image(tokens, self.geometry, self.out_channels)


def scan_orders(config: ScanConfig, geometry: Geometry, layers: int) -> list[Tensor]:
    """The visiting order of each of ``layers`` layers: (tokens,) int64 each."""
    orders = layer_orders(config.curve, config.schemes, layers, geometry.token_grid, seed=config.order_seed)
    return [torch.tensor(order.order) for order in orders]
