"""Costs and receptive fields."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from backbones.analysis.reach import cost, effective_receptive_field, open_gates, reached, seen
from backbones.analysis.receptive_field import figure, fresh_fields
from backbones.config.mixers import MIXERS
from zigbench.backbone import Geometry, build
from zigbench.scan import layer_orders, reach
from zigbench.spec import NetworkSpec, registry

from .helpers import fitting, influence, moved

FAMILIES = registry.backbones.names()
IMAGE = Geometry(1, 4, 5, 1)
GEOMETRIES = {
    "plain": Geometry(4, 8, 12, 2),
    "labels": Geometry(3, 5, 3, 1, classes=3),
    "text": Geometry(1, 4, 6, 2, context=(3, 8)),
}


@pytest.mark.parametrize("learned_sigma", [False, True])
@pytest.mark.parametrize("where", GEOMETRIES)
@pytest.mark.parametrize("name", FAMILIES)
def test_counted_operations_are_the_closed_form(name: str, where: str, learned_sigma: bool) -> None:
    config: dict[str, Any] = {"width": 20, "depth": 4, "learned_sigma": learned_sigma}
    geometry = fitting(name, GEOMETRIES[where])
    counted = cost(name, geometry, batch=3, **config)
    assert counted.forward_flops == NetworkSpec.of(name, **config).cost(geometry, batch=3).flops
    assert 1.7 * counted.forward_flops < counted.backward_flops < 2.3 * counted.forward_flops


def test_published_sizes_have_their_published_operations() -> None:
    image = Geometry(4, 32, 32, 2)
    families = ("dit", "u-vit", "zigma")
    counted = {name: NetworkSpec.of(name, size="S").cost(image).flops / 2e9 for name in families}
    assert counted["dit"] == pytest.approx(6.04, abs=0.02)
    assert counted["u-vit"] == pytest.approx(12.2, abs=0.02)
    # Published without the scan.
    scan = 24 * 256 * 2 * 368 * (9 * 16 + 2) / 2e9
    assert counted["zigma"] - scan == pytest.approx(5.36, abs=0.02)


def test_operations_grow_linearly_with_the_tokens_for_a_scan_and_quadratically_for_attention() -> None:
    sides = (16, 32, 64)
    for name, second_difference in (("zigma", 0), ("dit", 1)):
        network = NetworkSpec.of(name, width=16, depth=2)
        per_token = [network.cost(Geometry(1, side, side, 1)).flops / side**2 for side in sides]
        growth = per_token[2] - per_token[1]
        assert (growth > 1000) == bool(second_difference)


@pytest.mark.parametrize("name", FAMILIES)
def test_recomputing_saves_memory_and_costs_at_most_another_forward_pass(name: str) -> None:
    config = {"width": 16, "depth": 8}
    image = fitting(name, IMAGE)
    kept = cost(name, image, **config)
    recomputed = cost(name, image, checkpointing=True, **config)
    assert recomputed.saved_bytes < kept.saved_bytes / 3
    assert kept.backward_flops < recomputed.backward_flops <= kept.backward_flops + kept.forward_flops
    assert kept.parameter_bytes == 4 * kept.parameters


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("zigma", {"schemes": 1}),
        ("zigma", {"schemes": 2}),
        ("zigma", {"schemes": 8, "depth": 3}),
        ("zigma", {"curve": "hilbert", "schemes": 3, "depth": 3}),
        ("sweep", {"schemes": 1}),
        ("bidirectional", {"depth": 1}),
        ("parallel", {"schemes": 2, "depth": 1}),
        ("dit", {"depth": 1}),
        ("dis", {"depth": 2}),
        ("dim", {"depth": 2, "schemes": 1, "smooth": False}),
        ("dim", {"depth": 2, "schemes": 1, "pads": 0}),
        ("dim", {"depth": 2, "schemes": 2, "pads": 0}),
        ("dim", {"depth": 2, "schemes": 2, "smooth": False}),
        ("dim", {"depth": 2, "schemes": 2, "pads": 2}),
        ("dim", {"depth": 2, "schemes": 4}),
        ("zigma-video", {"pattern": "s", "schemes": 2, "depth": 2}),
        ("zigma-video", {"pattern": "t", "depth": 1}),
        ("zigma-video", {"pattern": "st", "depth": 2}),
        ("zigma-video", {"pattern": "ssts", "depth": 4}),
        ("zigma-video", {"pattern": "joint", "depth": 2}),
        ("zigma-video", {"pattern": "joint", "curve": "sweep", "bidirectional": True, "depth": 1}),
        *(("zigma", {"mixer": mixer, "schemes": 2, "depth": 2}) for mixer in MIXERS),
        *(("zigma-video", {"mixer": mixer, "pattern": "st", "depth": 2}) for mixer in MIXERS),
        *(("dis", {"mixer": mixer, "depth": 2}) for mixer in MIXERS),
        ("zigma", {"mixer": "gla", "curve": "hilbert", "schemes": 1, "depth": 2}),
        ("zigma", {"attention_every": 2, "schemes": 1, "depth": 2}),
        ("zigma-video", {"attention_every": 2, "attention_shared": True, "pattern": "st", "depth": 4}),
        ("dit-video", {"pattern": "s", "depth": 2}),
        ("dit-video", {"pattern": "ts", "depth": 2}),
    ],
)
def test_what_the_orders_say_is_seen_is_what_gradients_find(name: str, config: dict[str, Any]) -> None:
    geometry = fitting(name, IMAGE)
    network = moved(name, geometry, **config)
    found = influence(network, geometry)
    grid = geometry.token_grid
    for i in range(geometry.tokens):
        said = seen(network, token=tuple(int(k) for k in np.unravel_index(i, grid)))
        assert torch.equal(said[-1].flatten(), found[i])
        assert int(said[0].sum()) == 1
        assert bool((said[1:] >= said[:-1]).all())
    assert float(reached(network)[-1]) == found.double().mean()


@pytest.mark.parametrize("schemes", [1, 2, 3, 4, 8])
def test_seen_agrees_with_the_reach_of_the_orders(schemes: int) -> None:
    network = build("zigma", IMAGE, width=8, depth=8, schemes=schemes)
    share = sum(int(seen(network, token=divmod(i, 5))[-1].sum()) for i in range(20)) / 400
    spread = reach(layer_orders("zigzag", schemes, 8, IMAGE.grid)).share
    assert share == pytest.approx(spread[min(8, len(spread)) - 1])


def test_line_ends_and_extra_tokens_are_not_counted_as_patches() -> None:
    network = build("dim", Geometry(1, 4, 5, 1, classes=3), width=8, depth=2, pads=2)
    assert seen(network).shape == (6, 4, 5)
    assert float(reached(network)[0]) == 1 / 20


@pytest.mark.parametrize("name", ["zigma", "bidirectional", "dit", "u-vit", "dis"])
def test_the_receptive_field_is_nothing_where_nothing_is_seen(name: str) -> None:
    config = {"schemes": 1, "curve": "zigzag"} if name == "zigma" else {}
    network = moved(name, IMAGE, **config)
    x = torch.randn(3, 1, 4, 5, dtype=torch.float64)
    field = effective_receptive_field(network, x, torch.rand(3, dtype=torch.float64), token=(1, 2))
    assert torch.equal(field > 0, seen(network, token=(1, 2))[-1])


def test_the_receptive_field_of_a_patch_sums_its_pixels() -> None:
    geometry = Geometry(2, 4, 6, 2, frames=2)
    network = moved("dit", geometry)
    x = torch.randn(2, 2, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    t = torch.rand(2, dtype=torch.float64)
    field = effective_receptive_field(network, x, t, token=(1, 0, 2))
    (gradient,) = torch.autograd.grad(network(x, t)[:, 1, :, 0:2, 4:6].sum(), x)
    by_hand = gradient[:, 0, :, 2:4, 2:4].abs().sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(field[0, 1, 1], by_hand)


def test_opened_gates_make_a_fresh_network_see() -> None:
    network = build("zigma", IMAGE, seed=0, width=16, depth=8, residual="prenorm").double()
    x, t = torch.randn(1, 1, 4, 5, dtype=torch.float64), torch.full((1,), 0.5, dtype=torch.float64)
    assert int((effective_receptive_field(network, x, t) > 0).sum()) == 1
    assert (effective_receptive_field(open_gates(network), x, t) > 0).all()


def test_a_network_that_declares_no_scan_is_refused() -> None:
    with pytest.raises(ValueError, match="the receptive field of Linear can't be read"):
        effective_receptive_field(torch.nn.Linear(1, 1), torch.zeros(1, 1, 4, 4), torch.zeros(1))


def test_the_figure_has_a_panel_for_each_arm() -> None:
    fields = fresh_fields(Geometry(1, 6, 6, 1), width=16, depth=8, samples=2)
    titles = [axes.get_title() for axes in figure(fields).axes]
    assert [title.split("\n")[0] for title in titles[:8]] == list(fields)
    assert titles[4].endswith("sees 100%")
    # The middle token, (3, 3), lies on a row walked leftwards: 3 rows, two tokens to its right, and itself.
    assert titles[1].endswith(f"sees {21 / 36:.0%}")


def test_closed_forms_need_no_torch() -> None:
    code = "import sys, backbones.config; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("curve", "schemes"), [("zigzag", 1), ("zigzag", 4), ("hilbert", 8), ("sweep", 2)])
def test_reach_of_single_scans_is_the_closed_form_of_their_orders(curve: str, schemes: int) -> None:
    network = build("zigma", IMAGE, width=8, depth=6, curve=curve, schemes=schemes)
    exact = reach(layer_orders(curve, schemes, 6, IMAGE.grid)).share[:6]
    found = reached(network).tolist()
    assert found[: len(exact) + 1] == pytest.approx([1 / 20, *exact])
    assert found[len(exact) + 1 :] == pytest.approx([exact[-1]] * (6 - len(exact)))


@pytest.mark.parametrize("name", ["bidirectional", "vision-mamba", "dit", "u-vit"])
def test_two_directions_and_attention_reach_everything_in_one_layer(name: str) -> None:
    assert reached(build(name, IMAGE, width=8, depth=2))[1:].tolist()[0] == 1.0
