"""The suite of mixers: equal sizes, one arm for a mixer that sees no order, and the runs of `order` as its own."""

from __future__ import annotations

import pytest

from backbones import matched
from backbones.config.mixers import MIXERS
from zigbench.suite import Cell, expand, load


def cells(profile: str | None = None) -> list[Cell]:
    return list(expand(load("mixer").profile(profile)))


@pytest.mark.parametrize("profile", [None, "photographs"])
def test_every_mixer_has_the_parameters_of_mambas_network_within_five_percent(profile: str | None) -> None:
    by_mixer = {cell.labels["mixer"]: cell.spec.parameters(cell.spec.geometry) for cell in cells(profile)}
    assert set(by_mixer) == set(MIXERS)
    for count in by_mixer.values():
        assert count == pytest.approx(by_mixer["mamba"], rel=load("mixer").equal["parameters"])


def test_each_width_is_the_matched_one() -> None:
    specs = {cell.labels["mixer"]: cell.spec for cell in cells()}
    geometry = specs["mamba"].geometry
    target = specs["mamba"].parameters(geometry)
    for mixer, spec in specs.items():
        best = matched("zigma", geometry, parameters=target, depth=8, multiple=1, mixer=mixer)
        assert spec.config.width == best.width


def test_a_mixer_has_every_order_or_sees_none() -> None:
    arms: dict[str, set[str]] = {}
    for cell in cells():
        arms.setdefault(cell.labels["mixer"], set()).add(cell.labels["arm"])
    for name, mixer in MIXERS.items():
        assert len(arms[name]) == (6 if mixer.sees_order else 1)


def test_the_runs_of_mamba_on_the_digits_are_those_of_order() -> None:
    known = {cell.spec.id for cell in expand(load("order"))}
    own = {cell.spec.id for cell in cells() if cell.labels["mixer"] == "mamba"}
    assert len(own & known) == 15  # All but the plain sweep, which `order` does not have.
    assert len(own) == 18


def test_rates_are_swept_on_seeds_and_at_sizes_of_their_own() -> None:
    swept = list(expand(load("order_rate").profile("mixers")))
    seeds = {cell.labels["seed"] for cell in cells()}
    assert not seeds & {cell.labels["seed"] for cell in swept}
    sizes = {cell.labels["mixer"]: cell.spec.backbone for cell in cells()}
    assert all(cell.spec.backbone == sizes[cell.labels["mixer"]] for cell in swept)
    assert {cell.spec.optimizer.lr for cell in cells()} <= {cell.spec.optimizer.lr for cell in swept}
