"""Laws of a network's spec: the run owns scan and position, whichever way a family takes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import nn

from zigbench.backbone import build
from zigbench.spec import BackboneConfig, Geometry, NetworkSpec, Position, Positive, RunSpec, ScanSpec, registry
from zigbench.spec.errors import Fault, SpecError

IMAGE = Geometry(1, 8, 8, 1)


class Module(nn.Module):
    def __init__(self, *arguments: object) -> None:
        super().__init__()
        self.arguments = arguments


class PlainConfig(BackboneConfig):
    """A family that takes neither scan nor position."""

    network = f"{__name__}:Module"
    width: Positive = 4


class FieldsConfig(BackboneConfig):
    """A family of two arguments that has fields for scan and position."""

    network = f"{__name__}:Module"
    curve: str = "hilbert"
    schemes: Positive = 2
    position: Position = "sincos"

    def faults(self, geometry: Geometry) -> Iterator[str]:
        if self.schemes > 4:
            yield f"it has four directions, and schemes is {self.schemes}"

    def parameters(self, geometry: Geometry) -> int:
        return self.schemes * geometry.tokens


class ArgumentsConfig(BackboneConfig):
    """A family that takes scan and position as arguments."""

    network = f"{__name__}:Module"
    default_scan = {"curve": "sweep", "schemes": 1}  # noqa: RUF012
    default_position = "learned"

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        if position == "sincos":
            yield Fault("position", "'sincos'", "is not for this family")

    def parameters(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> int | None:
        return scan.schemes if scan else None


@pytest.fixture(autouse=True)
def families(monkeypatch):
    monkeypatch.setattr(registry.backbones, "_registered", dict(registry.backbones._registered))
    monkeypatch.setattr(registry.backbones, "_looked_up", {})
    for name, config in (("plain", PlainConfig), ("fields", FieldsConfig), ("arguments", ArgumentsConfig)):
        registry.backbones.register(name)(config)


def run(name: str, **changes: object) -> RunSpec:
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return RunSpec.parse({"backbone.name": name, "data.name": "digits", **keys})


def test_a_family_of_two_arguments_gets_the_run_s_scan_and_position_in_its_own_fields():
    spec = run("fields", scan__schemes=3)
    assert (spec.scan, spec.position) == (ScanSpec(curve="hilbert", schemes=3), "sincos")
    config, geometry = spec.arguments(IMAGE)
    assert (config.curve, config.schemes, config.position, geometry) == ("hilbert", 3, "sincos", IMAGE)
    resolved = spec.resolved()
    assert resolved["backbone"]["config"].keys() == {"drop_path", "label_dropout", "learned_sigma"}
    assert (resolved["scan"], resolved["position"]) == ({"curve": "hilbert", "schemes": 3}, "sincos")
    assert RunSpec.parse(resolved) == spec
    assert spec.parameters(IMAGE) == 3 * 64
    built = build("fields", IMAGE, curve="zigzag", position="none")
    assert (built.arguments[0].curve, built.arguments[0].schemes, built.arguments[0].position) == ("zigzag", 2, "none")


def test_a_family_that_declares_defaults_gets_scan_and_position_as_arguments():
    spec = run("arguments", scan__curve="zigzag")
    scan = ScanSpec(curve="zigzag", schemes=1)
    assert spec.arguments(IMAGE) == (spec.backbone.config, IMAGE, scan, "learned")
    assert build("arguments", IMAGE, schemes=5).arguments[2:] == (ScanSpec(curve="sweep", schemes=5), "learned")
    assert NetworkSpec.of("arguments", schemes=5).parameters(IMAGE) == 5
    with pytest.raises(SpecError, match="position = 'sincos': is not for this family"):
        run("arguments", position="sincos")


def test_a_family_that_takes_neither_has_neither():
    spec = run("plain")
    assert (spec.scan, spec.position) == (None, None)
    assert spec.arguments(IMAGE) == (spec.backbone.config, IMAGE)
    assert not {"scan", "position"} & spec.resolved().keys()
    with pytest.raises(SpecError) as caught:
        run("plain", scan__curve="zigzag", scan__schemes=2, position="none")
    assert {fault.path for fault in caught.value.faults} == {"scan.curve", "scan.schemes", "position"}


def test_faults_of_own_fields_are_those_of_the_run_s_keys():
    with pytest.raises(SpecError, match=r"backbone\.config: it has four directions, and schemes is 5"):
        run("fields", scan__schemes=5)
    with pytest.raises(SpecError) as caught:
        run("fields", backbone__config__curve="sweep", backbone__config__position="none")
    assert [str(fault) for fault in caught.value.faults] == [
        "backbone.config.curve = 'sweep': is stated as scan.curve",
        "backbone.config.position = 'none': is stated as position",
    ]


def test_another_backbone_has_its_own_scan_and_position():
    spec = run("fields", scan__schemes=3, position="none").override({"backbone.name": "arguments"})
    assert (spec.scan, spec.position) == (ScanSpec(curve="sweep", schemes=1), "learned")
