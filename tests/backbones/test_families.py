"""Laws of each family of backbones by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from zigbench.backbone import Geometry, build
from zigbench.scan import layer_orders, make_order

from .helpers import influence, moved

IMAGE = Geometry(1, 4, 5, 1)


def states(count: int, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, *geometry.sample_shape, generator=generator), torch.rand(count, generator=generator)


def test_a_fresh_dit_outputs_zero_and_a_fresh_zigma_does_not() -> None:
    x, t = states(2, IMAGE)
    assert not build("dit", IMAGE, seed=0, width=16, depth=2)(x, t).any()
    assert build("zigma", IMAGE, seed=0, width=16, depth=2)(x, t).abs().mean() > 0.01


@pytest.mark.parametrize("text", [None, (3, 8)])
def test_a_fresh_block_is_the_identity_in_a_clean_prenorm_only(text: tuple[int, int] | None) -> None:
    geometry = Geometry(1, 4, 5, 1, context=text)
    h, c, tokens = torch.randn(2, 20, 16), torch.randn(2, 16), torch.randn(2, 3, 16)
    block = build("zigma", geometry, seed=0, width=16, depth=2, residual="prenorm").blocks[1]
    out, residual = block(h, None, c, tokens)
    assert torch.equal(out, h)
    assert residual is None
    block = build("zigma", geometry, seed=0, width=16, depth=2, residual="released").blocks[1]
    out, residual = block(h, 2 * h, c, tokens)
    torch.testing.assert_close(residual, 3 * h)
    torch.testing.assert_close(out, h / (h.square().mean(-1, keepdim=True) + 1e-5 / 9).sqrt())


@pytest.mark.parametrize("residual", ["released", "prenorm"])
@pytest.mark.parametrize("curve", ["sweep", "zigzag", "hilbert"])
def test_a_forward_scan_of_one_variant_is_causal_in_its_visiting_order(curve: str, residual: str) -> None:
    network = moved("zigma", IMAGE, curve=curve, schemes=1, residual=residual, position="sincos")
    order = torch.tensor(make_order(curve, IMAGE.grid).order)
    by_step = influence(network, IMAGE)[order][:, order]
    assert torch.equal(by_step, torch.ones_like(by_step).tril())


def test_two_zigzags_begin_at_one_corner_whose_token_sees_only_itself() -> None:
    seen = influence(moved("zigma", IMAGE, schemes=2), IMAGE)
    assert seen[0].nonzero().flatten().tolist() == [0]
    assert seen[1:].all()


@pytest.mark.parametrize("schemes", [4, 8])
def test_with_four_zigzags_every_token_reaches_every_token(schemes: int) -> None:
    assert influence(moved("zigma", IMAGE, schemes=schemes, depth=schemes), IMAGE).all()


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("bidirectional", {"depth": 1}),
        ("vision-mamba", {"depth": 1}),
        ("sweep", {"depth": 1, "schemes": 2}),
        ("parallel", {"depth": 1, "schemes": 2}),
        ("dit", {"depth": 1}),
        ("u-vit", {"depth": 2}),
        ("dis", {"depth": 2}),
        ("dim", {"depth": 2}),
    ],
)
def test_the_others_let_every_token_see_every_token_at_once(name: str, config: dict[str, int]) -> None:
    assert influence(moved(name, IMAGE, **config), IMAGE).all()


def test_sweep_1_and_one_parallel_direction_are_zigma_along_the_rows() -> None:
    config = {"width": 16, "depth": 2}
    zigma = build("zigma", IMAGE, seed=0, curve="sweep", schemes=1, **config)
    x, t = states(2, IMAGE)
    for name in ("sweep", "parallel"):
        twin = build(name, IMAGE, seed=0, schemes=1, **config)
        assert torch.equal(twin(x, t), zigma(x, t))


def test_sweep_2_is_the_bidirectional_mixer_along_the_rows_and_vision_mamba_halves_its_sum() -> None:
    config = {"width": 16, "depth": 2, "residual": "prenorm"}
    both = build("bidirectional", IMAGE, seed=0, **config)
    sweep = build("sweep", IMAGE, seed=0, schemes=2, **config)
    vim = build("vision-mamba", IMAGE, seed=0, **config)
    h = torch.randn(2, IMAGE.tokens, 16)
    assert torch.equal(both.blocks[0].mixer(h), sweep.blocks[0].mixer(h))
    torch.testing.assert_close(2 * vim.blocks[0].mixer(h), both.blocks[0].mixer(h))


def test_four_parallel_directions_along_the_rows_are_the_cross_scan() -> None:
    orders = build("parallel", IMAGE, seed=0, width=16, depth=2).blocks[1].mixer.orders
    rows = torch.arange(20)
    columns = rows.reshape(4, 5).T.flatten()
    assert torch.equal(orders, torch.stack([rows, rows.flip(0), columns, columns.flip(0)]))


@pytest.mark.parametrize("name", ["u-vit", "dis", "dim"])
def test_long_skips_carry_the_input_past_a_severed_middle(name: str) -> None:
    def sever(module: nn.Module, inputs: object, outputs: tuple) -> tuple:
        return tuple(None if out is None else torch.zeros_like(out) for out in outputs)

    for skip in (True, False):
        network = moved(name, IMAGE, skip=skip)
        network.block_mid.register_forward_hook(sever)
        assert influence(network, IMAGE).any() == skip


def test_dims_pad_tokens_stand_behind_every_row_and_column() -> None:
    network = build("dim", IMAGE, seed=0, width=16, depth=4, pads=2)
    order = network.blocks_in[0].mixer.orders[0]
    grid = torch.arange(6 * 7).reshape(6, 7)
    assert torch.equal(order, torch.cat([torch.zeros(1, dtype=torch.int64), 1 + grid.flatten()]))
    columns = network.blocks_in[1].mixer.orders[0][1:] - 1
    assert torch.equal(columns, grid.T.flatten())
    inside = network.embed(torch.zeros(1, 1 + IMAGE.tokens, 16))[0, 1:].reshape(6, 7, 16)
    assert torch.equal(inside[1, 5:], network.pad)
    assert torch.equal(inside[4:, 2], network.pad)


def test_each_layer_holds_the_order_of_its_variant() -> None:
    network = build("zigma", IMAGE, width=16, depth=5, schemes=3, curve="hilbert")
    expected = layer_orders("hilbert", 3, 5, IMAGE.grid)
    for block, order in zip(network.blocks, expected, strict=True):
        assert block.mixer.orders.tolist() == [order.order.tolist()]


def test_a_checkpoint_restores_random_orders(tmp_path: Path) -> None:
    config = {"width": 16, "depth": 2, "curve": "random", "schemes": 2}
    network = moved("zigma", IMAGE, order_seed=1, **config)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    other = moved("zigma", IMAGE, order_seed=2, **config)
    assert not torch.equal(other.blocks[0].mixer.orders, network.blocks[0].mixer.orders)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    x, t = states(2, IMAGE)
    assert torch.equal(other(x.double(), t.double()), network(x.double(), t.double()))


@pytest.mark.parametrize("name", ["zigma", "sweep", "parallel", "dit", "u-vit", "dis"])
def test_clips_are_mapped_frame_by_frame_position(name: str) -> None:
    clip = Geometry(2, 4, 6, 2, frames=3)
    config = {} if name in ("dit", "u-vit") else {"curve": "sweep"}
    network = moved(name, clip, learned_sigma=True, **config)
    x = torch.randn(2, 3, 2, 4, 6, dtype=torch.float64)
    assert network(x, torch.rand(2, dtype=torch.float64)).shape == (2, 3, 4, 4, 6)


def test_initialisation_is_the_published_one() -> None:
    zigma = build("zigma", Geometry(4, 8, 8, 1, classes=500), seed=0, width=256, depth=16)
    mixer = zigma.blocks[3].mixer
    kaiming = (1 / (3 * mixer.out_proj.in_features)) ** 0.5
    assert mixer.out_proj.weight.std().item() == pytest.approx(kaiming / 4, rel=0.02)
    assert mixer.in_proj.weight.std().item() == pytest.approx((1 / (3 * 256)) ** 0.5, rel=0.02)
    assert torch.equal(mixer.directions[0].A_log.exp().round(), torch.arange(1.0, 17).repeat(512, 1))
    dt = nn.functional.softplus(mixer.directions[0].dt_proj.bias)
    assert 0.001 <= dt.min().item() < 0.002
    assert 0.05 < dt.max().item() <= 0.1
    assert zigma.head.weight.abs().max().item() == pytest.approx(1 / 16, rel=0.02)
    assert not zigma.head.bias.any()
    assert not zigma.position.embedding.any()
    assert zigma.condition.label.table.weight.std().item() == pytest.approx(0.02, rel=0.05)
    u_vit = build("u-vit", Geometry(4, 8, 8, 1, classes=500), seed=0, width=256, depth=2)
    assert u_vit.position.embedding.std().item() == pytest.approx(0.02, rel=0.05)
    assert u_vit.label.table.weight.std().item() == pytest.approx(1.0, rel=0.05)
    assert u_vit.blocks_in[0].mlp.inner.weight.std().item() == pytest.approx(0.02, rel=0.05)
