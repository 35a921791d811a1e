"""Laws of the building blocks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d, layer_norm, softmax

from backbones.layers.attention import CrossAttention, SelfAttention
from backbones.layers.conditioning import Sinusoids
from backbones.layers.modulation import DropPath, Modulation, depth_rates, gated, modulate
from backbones.layers.patches import PatchEmbedding, to_image
from backbones.layers.position import PositionEmbedding, sincos
from zigbench.backbone import Geometry

sides = st.integers(1, 4)


@given(channels=sides, rows=sides, columns=sides, patch=st.sampled_from([1, 2, 4, 8]), frames=st.none() | sides)
def test_patches_are_embedded_as_by_a_strided_convolution(
    channels: int, rows: int, columns: int, patch: int, frames: int | None
) -> None:
    geometry = Geometry(channels, rows * patch, columns * patch, patch, frames=frames)
    embed = PatchEmbedding(geometry, 6).double()
    x = torch.randn(2, *geometry.sample_shape, dtype=torch.float64)
    images = x.flatten(0, -4)
    kernel = embed.proj.weight.reshape(6, channels, patch, patch)
    by_convolution = conv2d(images, kernel, embed.proj.bias, stride=patch).flatten(2).transpose(1, 2)
    torch.testing.assert_close(embed(x), by_convolution.reshape(2, geometry.tokens, 6))


@given(channels=sides, rows=sides, columns=sides, patch=st.sampled_from([1, 2, 4]), frames=st.none() | sides)
def test_to_image_puts_each_token_back_where_its_patch_was(
    channels: int, rows: int, columns: int, patch: int, frames: int | None
) -> None:
    geometry = Geometry(channels, rows * patch, columns * patch, patch, frames=frames)
    tokens = torch.randn(2, geometry.tokens, patch * patch * channels)
    image = to_image(tokens, geometry, channels)
    assert image.shape == (2, *geometry.sample_shape)
    r, c = rows - 1, columns - 1
    corner = image[..., r * patch :, c * patch :].reshape(2, geometry.frames or 1, channels, patch, patch)
    last = tokens.reshape(2, geometry.frames or 1, rows * columns, patch, patch, channels)[:, :, -1]
    assert torch.equal(corner, last.permute(0, 1, 4, 2, 3))


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), frames=st.none() | st.integers(1, 4))
def test_sincos_tells_every_token_of_a_rectangle_apart(rows: int, columns: int, frames: int | None) -> None:
    table = sincos(Geometry(1, rows, columns, 1, frames=frames), 16)
    assert table.shape == ((frames or 1) * rows * columns, 16)
    assert len({tuple(row) for row in table.round(decimals=9).tolist()}) == len(table)


def test_sincos_writes_the_column_in_its_first_half_and_the_row_in_its_second() -> None:
    table = sincos(Geometry(1, 3, 5, 1), 8).reshape(3, 5, 8)
    assert torch.equal(table[0, :, :4], table[2, :, :4])
    assert torch.equal(table[:, 0, 4:], table[:, 4, 4:])
    expected = torch.tensor([2.0, 0.02], dtype=torch.float64)
    torch.testing.assert_close(table[0, 2, :4], torch.cat([expected.sin(), expected.cos()]))


@pytest.mark.parametrize("kind", ["none", "sincos", "learned", "per-layer"])
def test_positions_enter_once_or_at_every_layer(kind: str) -> None:
    position = PositionEmbedding(kind, Geometry(1, 3, 4, 1), 8, 5, extras=2, std=1.0)
    x = torch.zeros(2, 14, 8)
    at_input, at_layer = position.at_input(x).any(), position.at_layer(x, 3).any()
    assert (bool(at_input), bool(at_layer)) == (kind in ("sincos", "learned"), kind == "per-layer")
    if kind == "sincos":
        assert not position.embedding.requires_grad
        assert not position.embedding[:2].any()


@given(t=st.floats(0, 1), size=st.integers(2, 300))
def test_time_sinusoids_lie_on_unit_circles(t: float, size: int) -> None:
    row = Sinusoids(size, "scaled")(torch.tensor([t]))[0]
    half = size // 2
    torch.testing.assert_close(row[:half] ** 2 + row[half : 2 * half] ** 2, torch.ones(half))
    assert torch.equal(row[0], torch.cos(1000 * torch.tensor(t)))
    assert len(row) == size


def test_the_time_input_is_what_each_release_saw() -> None:
    t = torch.tensor([0.0, 0.25, 1.0])
    for time, seen in (("scaled", 1000 * t), ("unit", t), ("reversed", 999 * (1 - t))):
        assert torch.equal(Sinusoids(2, time)(t)[:, 1], seen.sin())


def test_self_attention_is_softmax_attention() -> None:
    attention = SelfAttention(12, 3, qkv_bias=True).double()
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    q, k, v = attention.qkv(x).reshape(2, 7, 3, 3, 4).permute(2, 0, 3, 1, 4)
    heads = softmax(q @ k.mT / 2.0, dim=-1) @ v
    torch.testing.assert_close(attention(x), attention.proj(heads.permute(0, 2, 1, 3).reshape(2, 7, 12)))


def test_cross_attention_to_equal_tokens_is_their_value() -> None:
    attention = CrossAttention(12, 2, 5)
    token = torch.randn(2, 1, 12)
    out = attention(torch.randn(2, 7, 12), token.expand(2, 4, 12))
    torch.testing.assert_close(out, attention.proj(attention.v(token)).expand(2, 7, 12))


def test_modulation_is_shift_scale_and_gate_and_begins_at_zero() -> None:
    x, shift, scale = torch.randn(2, 5, 4), torch.randn(2, 4), torch.randn(2, 4)
    torch.testing.assert_close(modulate(x, shift, scale), x * (1 + scale[:, None]) + shift[:, None])
    torch.testing.assert_close(gated(x, scale, 2 * x), x * (1 + 2 * scale[:, None]))
    assert not any(part.any() for part in Modulation(4, 6)(torch.randn(2, 4)))


def test_drop_path_zeroes_whole_samples_keeps_the_mean_and_rests_in_evaluation() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25)
    x = torch.ones(4000, 3, 2)
    out = drop(x)
    per_sample = out.flatten(1)
    assert torch.equal(per_sample.amin(dim=1), per_sample.amax(dim=1))
    assert set(out.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert out.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(drop.eval()(x), x)
    assert not DropPath(1.0)(x).any()


@given(rate=st.floats(0, 1), depth=st.integers(1, 50))
def test_drop_rates_are_linear_in_depth(rate: float, depth: int) -> None:
    rates = depth_rates(rate, depth)
    assert len(rates) == depth
    assert rates[0] == 0.0
    if depth > 1:
        assert rates[-1] == pytest.approx(rate)
        steps = torch.tensor(rates, dtype=torch.float64).diff()
        torch.testing.assert_close(steps, torch.full_like(steps, rate / (depth - 1)))


def test_frozen_norms_hold_no_parameters() -> None:
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(nn.LayerNorm(8, elementwise_affine=False, eps=1e-6)(x), layer_norm(x, (8,), eps=1e-6))
