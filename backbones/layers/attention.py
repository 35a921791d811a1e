"""Self-attention, cross-attention and the MLP."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class SelfAttention(nn.Module):
    """Multi-head attention over (B, L, width)."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        # (B, L, 3, heads, d) to three (B, heads, L, d): views that the flash kernel takes as they are.
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Tokens (B, L, width) attend to text tokens (B, S, width); q, k, v without bias, no mask, as in ZigMa."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.q = nn.Linear(width, inner, bias=False)
        self.k = nn.Linear(width, inner, bias=False)
        self.v = nn.Linear(width, inner, bias=False)
        self.proj = nn.Linear(inner, width)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        q, k, v = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projected in (self.q(x), self.k(text), self.v(text))
        )
        return self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Linear, GELU (its tanh form in DiT, exact in U-ViT), Linear."""

    def __init__(self, width: int, ratio: float, *, approximate: Literal["none", "tanh"]) -> None:
        super().__init__()
        hidden = int(ratio * width)
        self.inner = nn.Linear(width, hidden)
        self.gelu = nn.GELU(approximate)
        self.outer = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.gelu(self.inner(x)))
