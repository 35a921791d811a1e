"""ZigMa: a stack of Mamba blocks under adaLN, each block scanning along its own order."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from backbones.config.zigma import ZigMaConfig
from backbones.layers.attention import CrossAttention
from backbones.layers.conditioning import Condition
from backbones.layers.modulation import DropPath, Modulation, depth_rates, modulate
from backbones.layers.patches import PatchEmbedding
from backbones.layers.position import PositionEmbedding
from backbones.network import Network
from backbones.ops.norm import add_norm_modulate, gated
from zigbench.backbone import Geometry
from zigbench.spec import Position, ScanSpec

NORM_EPS = 1e-5


class ZigMaBlock(nn.Module):
    """RMSNorm, adaLN, mixer, gate; with text also LayerNorm, adaLN, cross-attention, gate.

    With ``residual = "released"`` the block keeps two streams, as the released code does: the residual sums what
    enters every block, and its output is its *normed* input plus the gated branches. The normed stream
    is so added back to the residual once a block, and a block is not the identity when its gates are zero.
    With ``"prenorm"`` the branches are added to the one stream.
    """

    def __init__(
        self,
        width: int,
        mixer: nn.Module,
        *,
        residual: Literal["released", "prenorm"],
        attention: CrossAttention | None,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.released = residual == "released"
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mixer = mixer
        self.attention = attention
        self.attention_norm = None if attention is None else nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = Modulation(width, 3 if attention is None else 6)
        self.drop_path = DropPath(drop_path)

    def forward(
        self, x: Tensor, residual: Tensor | None, c: Tensor, text: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Map the tokens and the residual.

        Args:
            x: tokens, (B, L, width).
            residual: the released form's second stream, (B, L, width), float32 or wider; None in the first
                block and in the clean pre-norm.
            c: SiLU of the condition, (B, width).
            text: text tokens, (B, S, width), or None.
        """
        shift, scale, gate, *text_modulation = self.modulation(c)
        total, h, modulated = add_norm_modulate(
            x, residual, self.norm.weight, shift, scale, NORM_EPS, keep=self.released
        )
        # The clean pre-norm drops the branch by its gate; the released form drops the whole stream, below.
        drop = nn.Identity() if self.released else self.drop_path
        x = gated(x if h is None else h, drop(gate), self.mixer(modulated))
        if self.attention is not None and self.attention_norm is not None:
            shift, scale, gate = text_modulation
            x = gated(x, drop(gate), self.attention(modulate(self.attention_norm(x), shift, scale), text))
        return (self.drop_path(x), total) if self.released else (x, None)


class ZigMa(Network):
    """ZigMa (Hu et al. 2024, "ZigMa: A DiT-style Zigzag Mamba Diffusion Model").

    Where each choice comes from:

    - adaLN-zero for each block from SiLU and Linear(D → 3D), or 6D with text; time as the sinusoid of 1000 t
      through a two-layer MLP; text as Linear(text width → D), its mean added to the time: release.
    - layer i scans along variant i % schemes of the curve: paper and release. The paper's figures have the noise
      at t = 1, the release at t = 0; here as in the release.
    - the residual: the paper draws a pre-norm block; the release re-adds the normed stream
      (:class:`ZigMaBlock`). ``residual`` chooses; released weights need ``"released"``.
    - head: RMSNorm, then LayerNorm without affine, then a Linear that does *not* begin at zero and has no adaLN:
      release.
    - initialisation: Linear and convolution as torch's defaults with zero biases (Δ's keeps Mamba's), patches
      Xavier, time MLP and labels N(0, 0.02), out_proj Kaiming over √depth, position zero: release. The release's
      per-layer position embedding is never registered; here it is trained.
    - the release trains with drop-path 0.1, linear in depth; the default here is the spec's 0.
    """

    config: ZigMaConfig
    calls_fused = True

    def __init__(self, config: ZigMaConfig, geometry: Geometry, scan: ScanSpec, position: Position) -> None:
        super().__init__(config, geometry, scan)
        width, depth = config.width, config.depth
        self.patches = PatchEmbedding(geometry, width)
        self.condition = Condition(
            geometry, width, time=config.time, label_dropout=config.label_dropout, times=config.times
        )
        self.position = self.position_embedding(position)
        rates = depth_rates(config.drop_path, depth)
        self.blocks = nn.ModuleList(
            ZigMaBlock(
                width,
                self.mixer(block, orders, halve=self.halve),
                residual=config.residual,
                attention=(
                    None
                    if geometry.context is None
                    else CrossAttention(width, config.text_heads, config.text_head_width)
                ),
                drop_path=rate,
            )
            for block, (orders, rate) in enumerate(zip(self.orders(), rates, strict=True))
        )
        for module in self.blocks.modules():
            if isinstance(module, CrossAttention):
                nn.init.zeros_(module.proj.bias)
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.head_norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.head = nn.Linear(width, geometry.patch**2 * self.out_channels)
        nn.init.zeros_(self.head.bias)

    halve = False
    """True if the directions of a block are averaged instead of added."""

    def orders(self) -> list[Tensor]:
        """Return the orders of each block: (directions, tokens) int64 each."""
        return [order[None] for order in self.scan_orders(self.config.depth)]

    def position_embedding(self, kind: Position) -> PositionEmbedding:
        """Return the position embedding."""
        return PositionEmbedding(kind, self.geometry, self.config.width, self.config.depth)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        *,
        label: Tensor | None = None,
        context: Tensor | None = None,
        end: Tensor | None = None,
    ) -> Tensor:
        """See :class:`zigbench.backbone.Backbone`."""
        self.check(x, t)
        c, text = self.condition(t, label, context, end)
        c = nn.functional.silu(c)
        h = self.position.at_input(self.patches(x))
        residual = None
        for layer, block in enumerate(self.blocks):
            h, residual = block(self.position.at_layer(h, layer), residual, c, text)
        if residual is not None:
            h = (residual + h).to(self.norm.weight.dtype)
        return self.image(self.head(self.head_norm(self.norm(h))))
