"""Parameters of the building blocks, in closed form and without torch.

Each function counts what the layer of the same name in ``backbones.layers`` holds; tests hold the two equal.
"""

from __future__ import annotations

import math

from zigbench.spec import Geometry, Position

TIME_FREQUENCIES = 256
"""Sinusoids in front of the time MLP of DiT, SiT and ZigMa."""


def linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    """A linear map."""
    return inputs * outputs + (outputs if bias else 0)


def dt_rank(width: int) -> int:
    """Rank of Δ's projection: ceil(width / 16), as in Mamba."""
    return math.ceil(width / 16)


def direction(width: int, *, d_state: int, d_conv: int, expand: int) -> int:
    """One scan direction: convolution, x_proj, Δ_proj, A_log, D."""
    inner, rank = expand * width, dt_rank(width)
    convolution = linear(d_conv, inner)
    projections = linear(inner, rank + 2 * d_state, bias=False) + linear(rank, inner)
    return convolution + projections + inner * d_state + inner


def mixer(width: int, directions: int, *, d_state: int, d_conv: int, expand: int) -> int:
    """A Mamba mixer: in_proj and out_proj shared by its directions."""
    inner = expand * width
    shared = linear(width, 2 * inner, bias=False) + linear(inner, width, bias=False)
    return shared + directions * direction(width, d_state=d_state, d_conv=d_conv, expand=expand)


def attention(width: int, *, qkv_bias: bool) -> int:
    """Self-attention: joint q, k, v and the projection back."""
    return linear(width, 3 * width, bias=qkv_bias) + linear(width, width)


def cross_attention(width: int, inner: int) -> int:
    """Cross-attention: q, k, v without bias, and the projection back."""
    return 3 * linear(width, inner, bias=False) + linear(inner, width)


def mlp(width: int, ratio: float) -> int:
    """Two linear maps with ``ratio · width`` hidden units."""
    hidden = int(ratio * width)
    return linear(width, hidden) + linear(hidden, width)


def patch_embedding(geometry: Geometry, width: int) -> int:
    """Linear map of one patch to one token."""
    return linear(geometry.channels * geometry.patch**2, width)


def head(geometry: Geometry, width: int, *, learned_sigma: bool) -> int:
    """Linear map of one token to one patch of the output."""
    return linear(width, geometry.patch**2 * geometry.channels * (2 if learned_sigma else 1))


def position(kind: Position, tokens: int, width: int, depth: int) -> int:
    """Position embedding of ``tokens`` tokens; the frozen sinusoid counts, as in DiT's published figures."""
    return {"none": 0, "sincos": 1, "learned": 1, "per-layer": depth}[kind] * tokens * width


def label_rows(classes: int | None, label_dropout: float) -> int:
    """Rows of the label table: the classes, and one for no label where labels are dropped."""
    return 0 if classes is None else classes + (label_dropout > 0)


def conditioning(geometry: Geometry, width: int, *, label_dropout: float) -> int:
    """Time MLP, label table and text projection of the adaLN families."""
    time = linear(TIME_FREQUENCIES, width) + linear(width, width)
    label = label_rows(geometry.classes, label_dropout) * width
    text = 0 if geometry.context is None else linear(geometry.context[1], width)
    return time + label + text
