"""DiT: attention and an MLP under adaLN-zero."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from backbones.config.dit import DiTConfig
from backbones.layers.attention import MLP, CrossAttention, SelfAttention
from backbones.layers.conditioning import Condition
from backbones.layers.modulation import DropPath, Modulation, depth_rates, modulate
from backbones.layers.patches import PatchEmbedding
from backbones.layers.position import PositionEmbedding
from backbones.network import Network
from backbones.ops.norm import gated
from zigbench.backbone import Geometry
from zigbench.spec import Position

NORM_EPS = 1e-6


def plain_norm(width: int) -> nn.LayerNorm:
    """Return a LayerNorm without affine."""
    return nn.LayerNorm(width, elementwise_affine=False, eps=NORM_EPS)


class DiTBlock(nn.Module):
    """x + gate · attention(modulate(norm(x))), [the same with cross-attention,] the same with the MLP."""

    def __init__(self, config: DiTConfig, attention: nn.Module, *, text: bool, drop_path: float) -> None:
        super().__init__()
        width = config.width
        self.norms = nn.ModuleList(plain_norm(width) for _ in range(3 if text else 2))
        self.attention = attention
        self.cross = CrossAttention(width, config.heads, width // config.heads) if text else None
        self.mlp = MLP(width, config.mlp_ratio, approximate="tanh")
        self.modulation = Modulation(width, 9 if text else 6)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, c: Tensor, text: Tensor | None) -> Tensor:
        """Map tokens x (B, L, width), given c (B, width), SiLU of the condition, and text (B, S, width) or None."""
        parts = self.modulation(c)
        x = self._branch(x, self.attention, 0, parts)
        if self.cross is not None:
            x = self._branch(x, lambda h: self.cross(h, text), 2, parts)
        return self._branch(x, self.mlp, 1, parts)

    def _branch(self, x: Tensor, branch, index: int, parts: tuple[Tensor, ...]) -> Tensor:
        shift, scale, gate = parts[3 * index : 3 * index + 3]
        return gated(x, self.drop_path(gate), branch(modulate(self.norms[index](x), shift, scale)))


class DiT(Network):
    """DiT (Peebles and Xie 2023, "Scalable Diffusion Models with Transformers"), and SiT, the same network.

    As released: six-way adaLN-zero, LayerNorm without affine (eps 1e-6), q, k, v with bias, MLP with tanh GELU,
    frozen sinusoids as position (columns first), condition = time + label with a null class, a final adaLN and a
    Linear that begin at zero, so that the fresh network's output is zero; Xavier for every Linear, N(0, 0.02)
    for time MLP and labels.

    DiT's release sees the step 999 (1 − t) of a discrete diffusion (``time = "reversed"``), SiT's t itself
    (``"unit"``); both have ``learned_sigma`` on. The release has no text: here its tokens come in by
    cross-attention between attention and MLP, with three more modulations, as in ZigMa.
    """

    config: DiTConfig
    calls_fused = True

    def __init__(self, config: DiTConfig, geometry: Geometry, scan: None, position: Position) -> None:
        super().__init__(config, geometry, scan)
        width, depth = config.width, config.depth
        self.patches = PatchEmbedding(geometry, width)
        self.condition = Condition(
            geometry, width, time=config.time, label_dropout=config.label_dropout, times=config.times
        )
        self.position = self.position_embedding(position)
        rates = depth_rates(config.drop_path, depth)
        self.blocks = nn.ModuleList(
            DiTBlock(config, attention, text=geometry.context is not None, drop_path=rate)
            for attention, rate in zip(self.attentions(), rates, strict=True)
        )
        for module in self.blocks.modules():
            if isinstance(module, SelfAttention | CrossAttention | MLP):
                _xavier(module)
        self.head_norm = plain_norm(width)
        self.head_modulation = Modulation(width, 2)
        self.head = nn.Linear(width, geometry.patch**2 * self.out_channels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def attentions(self) -> Iterator[nn.Module]:
        """Yield the attention of each block."""
        for _ in range(self.config.depth):
            yield SelfAttention(self.config.width, self.config.heads, qkv_bias=True)

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
        for layer, block in enumerate(self.blocks):
            h = block(self.position.at_layer(h, layer), c, text)
        shift, scale = self.head_modulation(c)
        return self.image(self.head(modulate(self.head_norm(h), shift, scale)))


def _xavier(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
