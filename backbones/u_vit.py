"""U-ViT: a transformer whose every input is a token, with long skips."""

from __future__ import annotations

from torch import Tensor, nn

from backbones.config.u_vit import UViTConfig
from backbones.layers.attention import MLP, SelfAttention
from backbones.layers.modulation import DropPath, depth_rates
from backbones.long_skip import LongSkipNetwork, SkipProjection
from zigbench.backbone import Geometry
from zigbench.spec import Position

STD = 0.02


class UViTBlock(nn.Module):
    """A block: [projection with the skip,] x + attention(norm(x)), x + MLP(norm(x))."""

    def __init__(self, config: UViTConfig, *, skip: bool, drop_path: float) -> None:
        super().__init__()
        width = config.width
        self.join = SkipProjection(width, skip=skip)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, config.heads, qkv_bias=False)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = MLP(width, config.mlp_ratio, approximate="none")
        self.drop_path = DropPath(drop_path)

    def forward(self, h: Tensor, residual: None, skip: Tensor | None) -> tuple[Tensor, None]:
        """Map h and skip, (B, L, width) each, to (B, L, width); there is no second stream."""
        h = self.join(h, skip)
        h = h + self.drop_path(self.attention(self.attention_norm(h)))
        return h + self.drop_path(self.mlp(self.mlp_norm(h))), None


class UViT(LongSkipNetwork):
    """U-ViT (Bao et al. 2023, "All are Worth Words: A ViT Backbone for Diffusion Models").

    As released: tokens label, time, text, patches; the time token is the raw sinusoid of the network's width, an
    MLP on it is optional and off; a learned position over all tokens, N(0, 0.02); affine LayerNorm before each
    branch, no bias on q, k, v, exact GELU; every Linear N(0, 0.02) truncated; label rows N(0, 1); at the end
    LayerNorm, Linear, and a 3×3 convolution over the image (none in size H). No adaLN anywhere.

    The release has no null label of its own: its guided ImageNet models count one class more. Here label −1 is that
    row, where labels are dropped. Its networks predict the noise and see 999 (1 − t) (``time = "reversed"``).
    """

    config: UViTConfig

    def __init__(self, config: UViTConfig, geometry: Geometry, scan: None, position: Position) -> None:
        super().__init__(config, geometry, scan, position, position_std=STD, label_std=1.0)
        width = config.width
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, geometry.patch**2 * self.out_channels)
        self.conv = nn.Conv2d(self.out_channels, self.out_channels, 3, padding=1) if config.conv else None
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear) and not name.startswith("patches."):
                nn.init.trunc_normal_(layer.weight, std=STD)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def block(self, index: int, *, skip: bool) -> UViTBlock:
        rate = depth_rates(self.config.drop_path, self.config.blocks)[index]
        return UViTBlock(self.config, skip=skip, drop_path=rate)

    def tail(self, h: Tensor, residual: Tensor | None, c: Tensor) -> Tensor:
        image = self.image(self.head(self.norm(h)[:, self.extras :]))
        if self.conv is None:
            return image
        return self.conv(image.flatten(0, -4)).reshape(image.shape)
