"""The networks for clips: which token sees which, what leaves a block where, and what they share with images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from backbones import matched
from backbones.analysis.reach import cost
from backbones.config.video import DiTVideoConfig
from backbones.layers.mamba import MambaMixer, SelectiveScanBranch
from backbones.layers.position import PositionEmbedding, sincos
from zigbench import scan
from zigbench.backbone import Geometry, build, count_parameters
from zigbench.spec import NetworkSpec

from .helpers import influence, moved

CLIP = Geometry(1, 3, 4, 1, frames=3)
PLACES = 12
PATTERNS = ["sstt", "ststst", "ssts", "sst", "t", "tts"]
SWEEP_3D = {"pattern": "joint", "curve": "sweep", "schemes": 1, "bidirectional": True}
ZIGZAG_3D = {"pattern": "joint", "curve": "zigzag", "schemes": 8}


def orders(**config: Any) -> list[Tensor]:
    network = build("zigma-video", CLIP, seed=0, width=8, depth=12, **config)
    return [block.mixer.orders for block in network.blocks]


def pointwise(direction: SelectiveScanBranch) -> None:
    """Leave of a scan what it does to one token: SiLU, no neighbours, no state."""
    with torch.no_grad():
        direction.conv_weight.zero_()
        direction.conv_weight[:, -1] = 1.0
        direction.conv_bias.zero_()
        direction.x_proj.weight.zero_()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_with_an_identity_mixer_every_layer_returns_its_input(pattern: str, bidirectional: bool) -> None:
    network = build("zigma-video", CLIP, seed=0, width=8, depth=12, pattern=pattern, bidirectional=bidirectional)
    x = torch.randn(2, CLIP.tokens, 8, generator=torch.Generator().manual_seed(1))
    for block in network.blocks:
        for direction in block.mixer.directions:
            pointwise(direction)
            # SiLU(x) − SiLU(−x) = x.
            out = direction(torch.cat([x, -x], dim=-1))
            torch.testing.assert_close(out[..., :8] - out[..., 8:], x)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_layer_visits_every_token_once_frame_by_frame_or_place_by_place(pattern: str) -> None:
    spatial = temporal = 0
    for layer, visited in enumerate(orders(pattern=pattern, schemes=3)):
        assert sorted(visited.flatten().tolist()) == list(range(CLIP.tokens))
        if pattern[layer % len(pattern)] == "s":
            expected = torch.tensor(scan.make_order("zigzag", CLIP.grid, spatial % 3).order)
            assert torch.equal(visited[0], torch.arange(3)[:, None] * PLACES + expected)
            spatial += 1
        else:
            frames = torch.arange(3) if temporal % 2 == 0 else torch.arange(3).flip(0)
            assert torch.equal(visited[0], torch.arange(PLACES)[:, None] + frames * PLACES)
            temporal += 1


def test_the_3d_zigzag_has_eight_distinct_continuous_orders() -> None:
    found = orders(**ZIGZAG_3D)
    assert len({tuple(order.flatten().tolist()) for order in found[:8]}) == 8
    for order in found:
        place = torch.stack(torch.unravel_index(order[0], (3, 3, 4)), dim=1)
        assert ((place[1:] - place[:-1]).abs().sum(dim=1) == 1).all()


def test_the_3d_sweep_is_the_flattened_clip_both_ways() -> None:
    natural = torch.arange(CLIP.tokens)
    for order in orders(**SWEEP_3D):
        assert torch.equal(order, torch.stack([natural, natural.flip(0)]))


@pytest.mark.parametrize("name", ["zigma-video", "dit-video"])
def test_spatial_layers_keep_to_a_frame_and_temporal_ones_to_a_place(name: str) -> None:
    frame, place = torch.arange(CLIP.tokens) // PLACES, torch.arange(CLIP.tokens) % PLACES
    within = {"s": frame[:, None] == frame[None], "t": place[:, None] == place[None]}
    for letter, own in within.items():
        # Two layers in opposite directions reach all of it.
        seen = influence(moved(name, CLIP, pattern=letter, depth=4), CLIP)
        assert torch.equal(seen, own)
    assert influence(moved(name, CLIP, pattern="st", depth=8), CLIP).all()


def test_one_spatial_layer_is_causal_in_every_frame_and_one_temporal_layer_in_time() -> None:
    order = torch.tensor(scan.make_order("zigzag", CLIP.grid).order)
    spatial = influence(moved("zigma-video", CLIP, pattern="s", depth=1), CLIP)
    for f in range(3):
        steps = f * PLACES + order
        assert torch.equal(spatial[steps][:, steps], torch.ones(PLACES, PLACES, dtype=torch.bool).tril())
    temporal = influence(moved("zigma-video", CLIP, pattern="t", depth=1), CLIP).view(3, PLACES, 3, PLACES)
    for place in range(PLACES):
        assert torch.equal(temporal[:, place, :, place], torch.ones(3, 3, dtype=torch.bool).tril())


@pytest.mark.parametrize(
    ("name", "image", "config"),
    [
        ("zigma-video", "zigma", {"pattern": "s"}),
        ("zigma-video", "zigma", ZIGZAG_3D),
        ("zigma-video", "sweep", SWEEP_3D),
        ("dit-video", "dit", {"pattern": "s"}),
        ("dit-video", "dit", {"pattern": "joint"}),
    ],
)
def test_a_clip_of_one_frame_is_an_image(name: str, image: str, config: dict[str, Any]) -> None:
    clip = Geometry(2, 6, 4, 2, frames=1, classes=3)
    plain = {"schemes": 2} if image == "sweep" else {}
    still = moved(image, replace(clip, frames=None), depth=8, position="learned", **plain)
    moving = moved(name, clip, depth=8, position="learned", **config)
    moving.load_state_dict({**moving.state_dict(), **_without_orders(still)})
    x, t = torch.randn(2, 1, 2, 6, 4, dtype=torch.float64), torch.rand(2, dtype=torch.float64)
    label = torch.tensor([0, 2])
    torch.testing.assert_close(moving(x, t, label=label)[:, 0], still(x[:, 0], t, label=label))


def _without_orders(network: nn.Module) -> dict[str, Tensor]:
    return {key: value for key, value in network.state_dict().items() if not key.endswith(".order")}


@pytest.mark.parametrize("name", ["zigma-video", "dit-video"])
def test_frames_alone_are_images_where_no_layer_is_temporal(name: str) -> None:
    """A clip's frames pass a network of spatial layers as so many images of one sample each."""
    clip = Geometry(1, 5, 3, 1, frames=4)
    config = {"pattern": "s", "position": "learned", "position_axes": "space"}
    network = moved(name, clip, **config)
    single = moved(name, replace(clip, frames=1), **config)
    single.load_state_dict({**single.state_dict(), **_without_orders(network)})
    x, t = torch.randn(2, 4, 1, 5, 3, dtype=torch.float64), torch.rand(2, dtype=torch.float64)
    whole = network(x, t)
    for frame in range(4):
        torch.testing.assert_close(whole[:, frame : frame + 1], single(x[:, frame : frame + 1], t))


@pytest.mark.parametrize(
    ("kind", "axes"),
    [("sincos", axes) for axes in ("joint", "space", "time")]
    + [(kind, axes) for kind in ("learned", "per-layer") for axes in ("joint", "space", "time", "both")],
)
def test_positions_tell_space_and_time_apart_as_said(kind: str, axes: str) -> None:
    position = PositionEmbedding(kind, CLIP, 8, 2, axes=axes).double()
    if kind != "sincos":
        nn.init.normal_(position.embedding, generator=torch.Generator().manual_seed(1))
    zeros = torch.zeros(1, CLIP.tokens, 8, dtype=torch.float64)
    told = (position.at_input(zeros) if kind != "per-layer" else position.at_layer(zeros, 1)).view(3, PLACES, 8)
    # What is the same in all frames, or at all places; a sum of both parts has no interaction.
    assert torch.allclose(told, told[:1]) == (axes == "space")
    assert torch.allclose(told, told[:, :1]) == (axes == "time")
    interaction = told - told.mean(0, keepdim=True) - told.mean(1, keepdim=True) + told.mean((0, 1))
    assert (interaction.abs().max() < 1e-5) == (axes != "joint" or kind == "sincos")


def test_sinusoids_of_a_clip_are_those_of_its_axes_added() -> None:
    apart = sincos(CLIP, 16, "time")[:, None] + sincos(CLIP, 16, "space")[None]
    torch.testing.assert_close(sincos(CLIP, 16), apart.flatten(0, 1))


def test_the_three_ways_hold_the_same_parameters_but_for_the_second_direction() -> None:
    geometry = Geometry(4, 16, 16, 2, frames=4, classes=10)
    counts = {}
    for way, config in {"a": SWEEP_3D, "b": ZIGZAG_3D, **{p: {"pattern": p} for p in PATTERNS}}.items():
        network = build("zigma-video", geometry, width=16, depth=12, **config)
        counts[way] = count_parameters(network)
        assert counts[way] == NetworkSpec.of("zigma-video", width=16, depth=12, **config).parameters(geometry)
    second = sum(p.numel() for p in MambaMixer(16, torch.arange(4)[None]).directions[0].parameters())
    assert counts.pop("a") == counts["b"] + 12 * second
    assert len(set(counts.values())) == 1


def test_joint_and_factorized_attention_hold_the_same_parameters() -> None:
    counts = {DiTVideoConfig(size="S", pattern=pattern).parameters(CLIP) for pattern in ("joint", "st", "sst")}
    assert len(counts) == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"pattern": "sxt"}, r"pattern 'sxt' has 'x': expected 'joint', or the letters s \(space\) and t \(time\)"),
        ({"pattern": ""}, r"pattern '': expected 'joint', or the letters"),
        ({"pattern": "ststst"}, "pattern 'ststst' has 6 letters for a depth of 4"),
        ({"pattern": "st", "position": "sincos", "position_axes": "both"}, "position_axes 'joint' is the same"),
        ({"pattern": "joint", "curve": "spiral"}, r"product\[spatial=spiral\]"),
        ({"pattern": "st", "curve": "product"}, "is for clips"),
    ],
)
def test_bad_input_is_named_with_what_is_allowed(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build("zigma-video", CLIP, width=8, depth=4, **config)


def test_images_and_clips_without_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="maps clips, and the data are images; for those there are 'zigma' and 'dit'"):
        build("zigma-video", Geometry(1, 4, 4, 1), width=8, depth=4)
    with pytest.raises(ValueError, match="frames is 0; it must be at least 1"):
        Geometry(1, 4, 4, 1, frames=0)
    network = build("dit-video", CLIP, width=8, depth=2)
    with pytest.raises(ValueError, match=r"built for \(batch, \(3, 1, 3, 4\)\)"):
        network(torch.zeros(2, 2, 1, 3, 4), torch.zeros(2))


@pytest.mark.parametrize("name", ["zigma-video", "dit-video"])
def test_a_width_is_matched_on_clips(name: str) -> None:
    found = matched(name, CLIP, parameters=200_000, depth=4)
    assert found.parameters(CLIP) == pytest.approx(200_000, rel=0.05)
    assert not list(found.faults(CLIP))


def test_factorized_networks_keep_not_a_byte_more_than_joint_ones() -> None:
    """A copy of frames or places into sequences would show as saved bytes."""
    clip = Geometry(1, 8, 8, 1, frames=4)
    kept = {p: cost("zigma-video", clip, width=16, depth=4, pattern=p).saved_bytes for p in ("joint", "s", "t", "ssts")}
    assert set(kept.values()) == {kept["joint"]}


def test_costs_of_the_three_ways_are_those_of_their_scans() -> None:
    clip = Geometry(4, 8, 8, 1, frames=4)
    joint, factorized, both = (
        cost("zigma-video", clip, width=16, depth=4, **config).forward_flops
        for config in (ZIGZAG_3D, {"pattern": "ssts"}, SWEEP_3D)
    )
    assert joint == factorized < both
    within, across = (cost("dit-video", clip, width=16, depth=4, pattern=p).forward_flops for p in ("st", "joint"))
    # Scores and weighted sums over 256 tokens, or over the 64 of a frame and the 4 of a place in turn.
    assert across - within == 4 * 256 * 16 * (4 * 256 - 2 * 64 - 2 * 4)
