"""From images or clips to tokens and back."""

from __future__ import annotations

from torch import Tensor, nn

from zigbench.backbone import Geometry


class PatchEmbedding(nn.Module):
    """Linear map of each p×p patch to one token.

    The features of a patch run over (channel, row, column): reshaped, the weight is that of the strided
    convolution which the published networks use.

    Args:
        xavier: Xavier weights and zero biases, as DiT and ZigMa; else a convolution's defaults, as U-ViT and DiS.
    """

    def __init__(self, geometry: Geometry, width: int, *, xavier: bool = True) -> None:
        super().__init__()
        self.geometry = geometry
        self.proj = nn.Linear(geometry.channels * geometry.patch**2, width)
        if xavier:
            nn.init.xavier_uniform_(self.proj.weight)
            nn.init.zeros_(self.proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) or (B, T, C, H, W) to (B, tokens, width), row-major, frame after frame."""
        g = self.geometry
        rows, columns = g.grid
        x = x.reshape(-1, g.frames or 1, g.channels, rows, g.patch, columns, g.patch)
        return self.proj(x.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(1, 3))


def to_image(tokens: Tensor, geometry: Geometry, channels: int) -> Tensor:
    """Map (B, tokens, p·p·channels), features over (row, column, channel), to (B, [T,] channels, H, W)."""
    rows, columns = geometry.grid
    p = geometry.patch
    x = tokens.reshape(-1, geometry.frames or 1, rows, columns, p, p, channels)
    shape: tuple[int, ...] = (channels, geometry.height, geometry.width)
    if geometry.frames is not None:
        shape = (geometry.frames, *shape)
    return x.permute(0, 1, 6, 2, 4, 3, 5).reshape(-1, *shape)


def check_input(x: Tensor, t: Tensor, geometry: Geometry) -> None:
    """Raise ValueError for an input of another shape than the network was built for.

    Raises:
        ValueError: names both shapes.
    """
    expected = geometry.sample_shape
    if tuple(x.shape[1:]) != expected:
        raise ValueError(f"x has shape {tuple(x.shape)}; this network was built for (batch, {expected})")
    if t.shape != x.shape[:1]:
        raise ValueError(f"t has shape {tuple(t.shape)}; expected one time for each of {x.shape[0]} samples")
