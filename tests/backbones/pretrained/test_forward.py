"""A loaded release computes what the release computes: beside plain forward passes over the published keys.

The passes here are written from the papers' equations and the published names alone, in float64, token by token
where a scan is, and share no code with the package.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from backbones.pretrained import checkpoint
from zigbench.scan import make_order

from . import published_keys as published
from .test_checkpoint import IMAGE, LABELS, SMALL, filled

Weights = dict[str, Tensor]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def sinusoids(t: Tensor, size: int) -> Tensor:
    half = size // 2
    angle = t[:, None] * torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def rms(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight


def patches(w: Weights, name: str, x: Tensor) -> Tensor:
    p = w[f"{name}.weight"].shape[-1]
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=p).flatten(2).mT


def image(tokens: Tensor, channels: int) -> Tensor:
    p, side = published.P, published.SIDE // published.P
    pixels = tokens.reshape(-1, side, side, p, p, channels)
    return torch.einsum("nhwpqc->nchpwq", pixels).reshape(-1, channels, side * p, side * p)


def scan(w: Weights, name: str, xz: Tensor, suffix: str = "") -> Tensor:
    """One direction along the rows of xz (B, L, 2 I) as they lie."""
    x, z = xz.chunk(2, dim=-1)
    kernel = w[f"{name}.conv1d{suffix}.weight"]
    taps = F.pad(x.mT, (kernel.shape[-1] - 1, 0))
    u = F.silu(F.conv1d(taps, kernel, w[f"{name}.conv1d{suffix}.bias"], groups=kernel.shape[0])).mT
    low, B, C = linear(w, f"{name}.x_proj{suffix}", u).split([published.RANK, published.N, published.N], dim=-1)
    delta = F.softplus(linear(w, f"{name}.dt_proj{suffix}", low))
    A = -w[f"{name}.A{suffix}_log"].exp()
    state = torch.zeros(*u.shape[::2], published.N, dtype=u.dtype)
    out = []
    for k in range(u.shape[1]):
        step = delta[:, k, :, None]
        state = (step * A).exp() * state + step * B[:, k, None] * u[:, k, :, None]
        out.append((state * C[:, k, None]).sum(-1) + w[f"{name}.D{suffix}"] * u[:, k])
    return torch.stack(out, dim=1) * F.silu(z)


def condition(w: Weights, t: Tensor) -> Tensor:
    return linear(w, "t_embedder.mlp.2", F.silu(linear(w, "t_embedder.mlp.0", sinusoids(t, 256))))


def plain_zigma(w: Weights, x: Tensor, t: Tensor, *, backward: bool) -> Tensor:
    c = F.silu(condition(w, 1000 * t))[:, None]
    h = patches(w, "x_embedder.proj", x) + w["pos_embed"]
    residual = torch.zeros_like(h)
    side = published.SIDE // published.P
    for i in range(published.DEPTH):
        name = f"blocks.{i}"
        residual = residual + h
        h = rms(residual, w[f"{name}.norm.weight"])
        shift, scale, gate = linear(w, f"{name}.adaLN_modulation.1", c).chunk(3, dim=-1)
        xz = linear(w, f"{name}.mixer.in_proj", h * (1 + scale) + shift)
        if backward:
            y = scan(w, f"{name}.mixer", xz) + scan(w, f"{name}.mixer", xz.flip(1), "_b").flip(1)
        else:
            order = torch.tensor(make_order("zigzag", (side, side), i % 8).order)
            y = torch.empty_like(xz[..., : published.INNER])
            y[:, order] = scan(w, f"{name}.mixer", xz[:, order])
        h = h + gate * linear(w, f"{name}.mixer.out_proj", y)
    h = F.layer_norm(rms(residual + h, w["norm_f.weight"]), (published.D,), eps=1e-6)
    return image(linear(w, "final_layer.linear", h), published.C)


def attention(w: Weights, name: str, x: Tensor, heads: int) -> Tensor:
    q, k, v = linear(w, f"{name}.qkv", x).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    mixed = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1) @ v
    return linear(w, f"{name}.proj", mixed.transpose(1, 2).flatten(2))


def plain_dit(w: Weights, x: Tensor, t: Tensor, label: Tensor, heads: int) -> Tensor:
    c = F.silu(condition(w, t) + w["y_embedder.embedding_table.weight"][label])[:, None]
    h = patches(w, "x_embedder.proj", x) + w["pos_embed"]

    def modulated(y: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return F.layer_norm(y, (published.D,), eps=1e-6) * (1 + scale) + shift

    for i in range(published.DEPTH):
        name = f"blocks.{i}"
        parts = linear(w, f"{name}.adaLN_modulation.1", c).chunk(6, dim=-1)
        h = h + parts[2] * attention(w, f"{name}.attn", modulated(h, *parts[:2]), heads)
        hidden = F.gelu(linear(w, f"{name}.mlp.fc1", modulated(h, *parts[3:5])), approximate="tanh")
        h = h + parts[5] * linear(w, f"{name}.mlp.fc2", hidden)
    h = modulated(h, *linear(w, "final_layer.adaLN_modulation.1", c).chunk(2, dim=-1))
    return image(linear(w, "final_layer.linear", h), 2 * published.C)


def plain_u_vit(w: Weights, x: Tensor, t: Tensor, label: Tensor, heads: int) -> Tensor:
    tokens = [w["label_emb.weight"][label], sinusoids(t, published.D)]
    h = torch.cat([torch.stack(tokens, dim=1), patches(w, "patch_embed.proj", x)], dim=1) + w["pos_embed"]

    def norm(name: str, y: Tensor) -> Tensor:
        return F.layer_norm(y, (published.D,), w[f"{name}.weight"], w[f"{name}.bias"])

    skips: list[Tensor] = []
    for name, skip in published.halves():
        if skip:
            h = linear(w, f"{name}.skip_linear", torch.cat([h, skips.pop()], dim=-1))
        h = h + attention(w, f"{name}.attn", norm(f"{name}.norm1", h), heads)
        h = h + linear(w, f"{name}.mlp.fc2", F.gelu(linear(w, f"{name}.mlp.fc1", norm(f"{name}.norm2", h))))
        if name.startswith("in_"):
            skips.append(h)
    out = image(linear(w, "decoder_pred", norm("norm", h))[:, 2:], published.C)
    return F.conv2d(out, w["final_layer.weight"], w["final_layer.bias"], padding=1)


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(2, *IMAGE.sample_shape, generator=generator, dtype=torch.float64)
    return x, torch.tensor([0.1, 0.8], dtype=torch.float64)


@pytest.mark.parametrize("backward", [False, True], ids=["zigzag", "sweep-2"])
def test_zigma(backward: bool) -> None:
    weights = filled(published.zigma(backward=backward))
    network = checkpoint.load("zigma", weights, IMAGE, **SMALL).double().eval()
    doubled = {key: value.double() for key, value in weights.items()}
    x, t = inputs()
    torch.testing.assert_close(network(x, t), plain_zigma(doubled, x, t, backward=backward), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["dit", "sit"])
def test_dit_and_sit(family: str) -> None:
    weights = filled(published.dit())
    network = checkpoint.load(family, weights, LABELS, heads=4, **SMALL).double().eval()
    doubled = {key: value.double() for key, value in weights.items()}
    x, t = inputs()
    seen = 999 * (1 - t) if family == "dit" else t
    expected = plain_dit(doubled, x, seen, torch.tensor([2, published.CLASSES]), heads=4)
    torch.testing.assert_close(network(x, t, label=torch.tensor([2, -1])), expected, rtol=1e-5, atol=1e-5)


def test_u_vit() -> None:
    weights = filled(published.u_vit(classes=published.CLASSES + 1))
    network = checkpoint.load("u-vit", weights, LABELS, heads=4, **SMALL).double().eval()
    doubled = {key: value.double() for key, value in weights.items()}
    x, t = inputs()
    expected = plain_u_vit(doubled, x, 999 * (1 - t), torch.tensor([2, published.CLASSES]), heads=4)
    torch.testing.assert_close(network(x, t, label=torch.tensor([2, -1])), expected, rtol=1e-5, atol=1e-5)
