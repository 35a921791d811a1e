"""Every registered backbone keeps the public contract."""

from __future__ import annotations

import pytest

from zigbench.check import CLIPS, GEOMETRIES, Check, check
from zigbench.spec import registry


def failures(results: list[Check]) -> list[Check]:
    return [result for result in results if result.status == "failed"]


@pytest.mark.parametrize("name", registry.backbones.names())
def test_every_registered_backbone_passes_the_contract(name: str) -> None:
    results = check(name)
    assert not failures(results)
    images = 0 if name.endswith("-video") else 4
    clips = 0 if name == "dim" else 2
    passed = {result.geometry for result in results if result.status == "passed"}
    assert len(passed & set(GEOMETRIES)) == images
    assert len(passed & set(CLIPS)) == clips


@pytest.mark.parametrize(
    "config",
    [
        {"pattern": "joint"},
        {"pattern": "sst"},
        {"pattern": "ts"},
        {"position_axes": "space"},
        {"position_axes": "time", "position": "sincos"},
        {"position_axes": "both", "position": "per-layer"},
    ],
)
@pytest.mark.parametrize("name", ["zigma-video", "dit-video"])
def test_every_pattern_and_position_of_clips_passes_the_contract(name: str, config: dict[str, str]) -> None:
    assert not failures(check(name, config={"width": 16, "depth": 4, **config}, geometries=CLIPS))


@pytest.mark.parametrize("position", ["none", "sincos", "learned", "per-layer"])
@pytest.mark.parametrize("name", ["zigma", "dit"])
def test_every_position_embedding_passes_the_contract(name: str, position: str) -> None:
    config = {"width": 16, "depth": 2, "position": position}
    assert not failures(check(name, config=config, geometries=GEOMETRIES))


def test_an_unknown_family_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'zigma'"):
        check("zigmaa")
