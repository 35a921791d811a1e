"""DiS: bidirectional Mamba blocks with long skips."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from backbones.bidirectional import both_ways
from backbones.config.dis import DiSConfig
from backbones.layers.modulation import DropPath, Modulation, depth_rates, modulate
from backbones.long_skip import LongSkipNetwork, SkipProjection
from zigbench.backbone import Geometry
from zigbench.spec import Position, ScanSpec

NORM_EPS = 1e-5


class DiSBlock(nn.Module):
    """Vim's block: [projection with the skip,] sum with the residual, RMSNorm, mixer; its output is the skip."""

    def __init__(self, width: int, mixer: nn.Module, *, skip: bool, drop_path: float) -> None:
        super().__init__()
        self.join = SkipProjection(width, skip=skip)
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mixer = mixer
        self.drop_path = DropPath(drop_path)

    def forward(self, h: Tensor, residual: Tensor | None, skip: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return output and residual from h, skip (B, L, width) and the residual, float32 or wider, None at first."""
        h = self.join(h, skip)
        wide = torch.promote_types(h.dtype, torch.float32)
        residual = h.to(wide) if residual is None else residual + self.drop_path(h)
        return self.mixer(self.norm(residual.to(self.norm.weight.dtype))), residual


class DiS(LongSkipNetwork):
    """DiS (Fei et al. 2024, "Scalable Diffusion Models with State Space Backbone").

    As released: U-ViT's tokens and skips, with the time's sinusoid through an MLP; Vim's blocks, whose two
    directions are added and not halved; RMSNorm, then LayerNorm without affine, then Linear, where with labels
    the LayerNorm is modulated by time + label; positions zero at first, biases zero, out_proj over √depth. The
    release's tail modulation does not begin at zero. It trains with learned sigma and drop-path 0.1; here both
    are words of the spec.
    """

    config: DiSConfig

    def __init__(self, config: DiSConfig, geometry: Geometry, scan: ScanSpec, position: Position) -> None:
        super().__init__(config, geometry, scan, position, position_std=0.0, label_std=0.02)
        del self.block_orders  # Each mixer has its order as a buffer.
        width = config.width
        self.drop_path = DropPath(config.drop_path)
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.head_norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.head_modulation = None
        if self.label is not None or self.text is not None:
            self.head_modulation = Modulation(width, 2)
            self.head_modulation.linear.reset_parameters()
        self.head = nn.Linear(width, geometry.patch**2 * self.out_channels)
        for name, layer in self.named_modules():
            own_bias = name.endswith("dt_proj") or name.startswith("patches.")
            if isinstance(layer, nn.Linear) and layer.bias is not None and not own_bias:
                nn.init.zeros_(layer.bias)

    def orders(self) -> list[Tensor]:
        """Return each block's orders, both ways over the extra tokens and the patches: (2, extras + patches) each."""
        return [both_ways(self.after_extras(order)) for order in self.scan_orders(self.config.blocks)]

    def after_extras(self, order: Tensor) -> Tensor:
        """Return an order of patches (n,) with the extra tokens in front of it: (extras + n,)."""
        return torch.cat([torch.arange(self.extras), order + self.extras])

    @cached_property
    def block_orders(self) -> list[Tensor]:
        """The blocks' orders, while the blocks are built."""
        return self.orders()

    def block(self, index: int, *, skip: bool) -> DiSBlock:
        config = self.config
        mixer = self.mixer(index, self.block_orders[index])
        # Drop-path drops a block's input, the output of the block before, so that the skips stay complete.
        rates = [0.0, *depth_rates(config.drop_path, config.depth)]
        return DiSBlock(config.width, mixer, skip=skip, drop_path=rates[index])

    def tail(self, h: Tensor, residual: Tensor | None, c: Tensor) -> Tensor:
        assert residual is not None  # every block has one
        h = self.unembed((residual + self.drop_path(h)).to(self.norm.weight.dtype))
        h = self.head_norm(self.norm(h))
        if self.head_modulation is not None:
            h = modulate(h, *self.head_modulation(nn.functional.silu(c)))
        return self.image(self.head(h))

    def unembed(self, h: Tensor) -> Tensor:
        """Return the patches' tokens behind the last block."""
        return h[:, self.extras :]
