"""Named sizes, and sizes matched by parameters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backbones import matched
from backbones.config.base import usual_heads
from backbones.config.dit import DiTConfig
from backbones.config.u_vit import UViTConfig
from backbones.config.zigma import ZigMaConfig
from zigbench.backbone import build
from zigbench.spec import Geometry, registry
from zigbench.spec.errors import SpecError

SIZED = ["zigma", "sweep", "bidirectional", "vision-mamba", "parallel", "dit", "u-vit", "dis", "dim"]
DIGITS = Geometry(1, 8, 8, 1, classes=10)


@pytest.mark.parametrize("name", SIZED)
def test_a_size_and_its_numbers_are_one_config(name: str) -> None:
    family = registry.backbones.get(name)
    for size, numbers in family.sizes.items():
        by_size = family(size=size)
        assert by_size == family(**numbers) == family(size=size, **numbers)
        assert by_size.size == size
        assert by_size == family.model_validate(by_size.model_dump(mode="json"))


@pytest.mark.parametrize("name", SIZED)
def test_published_sizes_grow(name: str) -> None:
    family = registry.backbones.get(name)
    counts = [family(size=size).parameters(DIGITS) for size in family.sizes]
    assert counts == sorted(counts)
    assert len(set(counts)) == len(counts)


def test_a_number_beside_a_size_replaces_the_sizes_own() -> None:
    config = ZigMaConfig(size="L", depth=2)
    assert (config.width, config.depth, config.size) == (1024, 2, None)


def test_a_resolved_config_follows_when_its_size_is_changed() -> None:
    resolved = DiTConfig(size="B").model_dump()
    assert DiTConfig(**{**resolved, "size": "S"}) == DiTConfig(size="S")


def test_numbers_that_contradict_a_size_are_refused_with_both_sides() -> None:
    resolved = DiTConfig(size="B").model_dump()
    with pytest.raises(ValueError, match=r"size 'B' means width 768, but the config says width 512"):
        DiTConfig(**{**resolved, "width": 512})
    assert DiTConfig(**{**resolved, "width": 512, "size": None}).width == 512


def test_an_unknown_size_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown size 'B' \(known: S, M, L, H\)"):
        UViTConfig(size="B")


MAKERS = {
    "build": lambda **config: build("zigma", DIGITS, **config),
    "matched": lambda **config: matched("zigma", DIGITS, parameters=10**6, **config),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_keywords_of_a_config_have_their_faults_told_as_a_specs(make: Any) -> None:
    with pytest.raises(
        SpecError, match=r"^the spec has a fault:\n  backbone\.config = .*: unknown size 'Q' \(known: S, "
    ):
        make(size="Q")


@given(width=st.integers(1, 4096))
def test_usual_heads_divide_the_width(width: int) -> None:
    heads = usual_heads(width)
    assert width % heads == 0
    better = [h for h in range(1, width + 1) if width % h == 0 and abs(width // h - 64) < abs(width // heads - 64)]
    assert not better


def test_usual_heads_are_those_of_the_published_transformers() -> None:
    assert [usual_heads(width) for width in (384, 512, 768, 1024)] == [6, 8, 12, 16]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(SIZED),
    parameters=st.integers(200_000, 200_000_000),
    depth=st.sampled_from([2, 8, 24]),
)
def test_no_neighbour_is_closer_than_the_matched_width(name: str, parameters: int, depth: int) -> None:
    found = matched(name, DIGITS, parameters=parameters, depth=depth)
    assert found.depth == depth
    assert found.width % 4 == 0
    gap = abs(found.parameters(DIGITS) - parameters)
    for width in (found.width - 4, found.width + 4):
        assume(width > 0)
        assert abs(type(found)(width=width, depth=depth).parameters(DIGITS) - parameters) >= gap


@pytest.mark.parametrize("name", SIZED)
def test_depth_is_matched_too(name: str) -> None:
    config: dict[str, Any] = {"width": 64}
    found = matched(name, DIGITS, parameters=1_000_000, vary="depth", **config)
    assert found.width == 64
    per_block = (
        type(found)(width=64, depth=4).parameters(DIGITS) - type(found)(width=64, depth=2).parameters(DIGITS)
    ) / 2
    assert abs(found.parameters(DIGITS) - 1_000_000) <= per_block
    assert not list(found.faults(DIGITS))


def test_published_pairs_are_near_each_other() -> None:
    image = Geometry(4, 32, 32, 2)
    target = ZigMaConfig(size="B").parameters(image)
    for name, depth in (("dit", 12), ("u-vit", 16), ("sweep", 24), ("parallel", 24)):
        assert matched(name, image, parameters=target, depth=depth).parameters(image) == pytest.approx(target, rel=0.02)


@pytest.mark.parametrize(("parameters", "vary"), [(10**13, "width"), (10, "width"), (0, "depth"), (10**10, "depth")])
def test_parameters_out_of_reach_are_refused(parameters: int, vary: Any) -> None:
    with pytest.raises(ValueError, match=rf"parameters on .* {parameters:,} are out of reach"):
        matched("zigma", DIGITS, parameters=parameters, vary=vary, **{"width": 32} if vary == "depth" else {"depth": 2})


def test_matching_what_is_given_is_refused() -> None:
    with pytest.raises(ValueError, match="searches the width"):
        matched("dit", DIGITS, parameters=1000, width=32)
