"""Every registered backbone keeps the public contract."""

from __future__ import annotations

import pytest

from zigbench import registry
from zigbench.check import Check, check


def failures(results: list[Check]) -> list[Check]:
    return [result for result in results if result.status == "failed"]


@pytest.mark.parametrize("name", registry.backbones.names())
def test_every_registered_backbone_passes_the_contract(name: str) -> None:
    results = check(name)
    assert not failures(results)
    assert len({result.geometry for result in results if result.status == "passed"}) == 4


@pytest.mark.parametrize("position", ["none", "sincos", "learned", "per-layer"])
@pytest.mark.parametrize("name", ["zigma", "dit"])
def test_every_position_embedding_passes_the_contract(name: str, position: str) -> None:
    assert not failures(check(name, config={"width": 16, "depth": 2, "position": position}))


def test_an_unknown_family_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'zigma'"):
        check("zigmaa")
