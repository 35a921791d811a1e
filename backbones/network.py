"""The base of every network of this package: its input's check, its orders, the names of its kernels."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from backbones.config.base import ScanConfig, SizedConfig
from backbones.config.mixers import MIXERS
from backbones.layers.attention import SelfAttention
from backbones.layers.mixers.attention import plain_attention
from backbones.layers.patches import check_input, to_image
from backbones.layers.position import PositionEmbedding
from backbones.ops import norm
from backbones.ops.choice import SCAN, STATE, tried
from backbones.ops.norm import gated_norm
from backbones.ops.self_check import FAILED
from zigbench.backbone import Geometry
from zigbench.scan import layer_orders
from zigbench.scan.orders import Schemes
from zigbench.spec import ScanSpec
from zigbench.spec.registry import load_object

FAMILIES = {"scan": SCAN, "state": STATE}
"""Families of operators by the names that the table of mixers has for them."""


class Network(nn.Module):
    """The base of the backbones, which are built as ``Class(config, geometry, scan, position)``.

    Attributes:
        calls_fused: whether it calls the functions of :mod:`backbones.ops.norm`.
        scan: the run's scan; None for a family that takes none.
        shared_attention: the attention of all blocks that share one; None without such blocks.
    """

    calls_fused: ClassVar[bool] = False

    config: SizedConfig
    geometry: Geometry
    position: PositionEmbedding

    def __init__(self, config: SizedConfig, geometry: Geometry, scan: ScanSpec | None) -> None:
        super().__init__()
        self.config = config
        self.geometry = geometry
        self.scan = scan
        self.shared_attention: SelfAttention | None = None
        self.out_channels = geometry.channels * (2 if config.learned_sigma else 1)

    @staticmethod
    def kernels(config: SizedConfig, device: torch.device) -> str:
        """Return the kernels that mix the tokens of such a network on ``device``, for its record.

        For example "cpu (numba 0.60)"; of a network with several mixers each one's, joined.
        """
        return ", ".join(_kernel(name, device) for name in _mixers(config))

    @classmethod
    def instruction_set(cls, config: SizedConfig) -> str:
        """Return what this package's kernels in such a network are compiled for on a CPU; empty if it has none.

        For example "AVX-512 (16 floats)".
        """
        if not (cls.calls_fused or "scan" in _operators(config)):
            return ""
        from backbones.ops.cpu.target import INSTRUCTION_SET  # Loads numba, which a GPU has no use for.

        return str(INSTRUCTION_SET)

    @classmethod
    def kernel_faults(cls, config: SizedConfig, device: torch.device) -> list[str]:
        """Return the kernels that should serve ``device`` and gave wrong results beside the reference.

        This loads all kernels of such a network, and compiles them if no process has before.
        """
        if cls.calls_fused:
            norm.load(device)
        if set(_mixers(config)) - {"mamba", "attention"}:
            gated_norm.load(device)
        backends = [backend for name in _operators(config) for backend in tried(device, family=FAMILIES[name])]
        return [f"{backend.name}: {backend.reason}" for backend in backends if backend.reason.startswith(FAILED)]

    @staticmethod
    def register_flop_formulas() -> None:
        """Register the formulas of this package's kernels with torch's counter of operations."""
        import_module("backbones.analysis.reach")

    def scan_orders(
        self, layers: int, *, variants: Schemes | None = None, grid: tuple[int, ...] | None = None
    ) -> list[Tensor]:
        """Return the visiting order of each of so many layers along the run's curve.

        Args:
            layers: number of layers.
            variants: the curve's variants; None for the run's schemes.
            grid: sides of the grid that is walked; None for the tokens'.

        Returns:
            (tokens of the grid,) int64 each.
        """
        assert isinstance(self.config, ScanConfig)
        assert self.scan is not None
        schemes = self.scan.schemes if variants is None else variants
        grid = self.geometry.token_grid if grid is None else grid
        orders = layer_orders(self.scan.curve, schemes, layers, grid, seed=self.config.order_seed)
        return [torch.tensor(order.order) for order in orders]

    def mixer(self, block: int, orders: Tensor, *, halve: bool = False) -> nn.Module:
        """Build the mixer of a block, as the config names it.

        Args:
            block: the block's number, from 0.
            orders: (k, L) or (k, sequences, steps), the orders of its directions.
            halve: average the directions instead of adding them.
        """
        config = self.config
        assert isinstance(config, ScanConfig)
        name = config.mixer_of(block)
        keys: dict[str, Any] = {key: getattr(config, key) for key in MIXERS[name].keys}
        if name == "attention" and config.attention_shared:
            if self.shared_attention is None:
                self.shared_attention = plain_attention(config.width, config.head_width, config.depth)
            keys["shared"] = self.shared_attention
        mixer: nn.Module = load_object(MIXERS[name].layer)(
            config.width, orders, halve=halve, depth=config.depth, **keys
        )
        return mixer

    def check(self, x: Tensor, t: Tensor) -> None:
        """Raise ValueError for inputs of other shapes; see :func:`backbones.layers.patches.check_input`."""
        check_input(x, t, self.geometry)

    def image(self, tokens: Tensor) -> Tensor:
        """Return (B, tokens, patch² · out_channels) as (B, [T,] out_channels, H, W)."""
        return to_image(tokens, self.geometry, self.out_channels)


def _mixers(config: SizedConfig) -> list[str]:
    """Return the names of a network's mixers, each once; attention of a family that does not scan."""
    if not isinstance(config, ScanConfig):
        return ["attention"]
    return list(dict.fromkeys(config.mixer_of(block) for block in range(config.blocks)))


def _operators(config: SizedConfig) -> list[str]:
    """Return the families of operators that a network's mixers compute with, each once."""
    return list(dict.fromkeys(family for name in _mixers(config) for family in MIXERS[name].operators))


def _kernel(name: str, device: torch.device) -> str:
    """Return the kernel of a mixer on a device, with its version."""
    if not MIXERS[name].operators:
        what = "scaled_dot_product_attention" if name == "attention" else "matrix products"
        return f"{what} (torch {torch.__version__})"
    chosen = tried(device, family=FAMILIES[MIXERS[name].operators[0]])[-1]
    return f"{chosen.name} ({chosen.version})"
