"""The network of a run: a backbone, and the scan and the position embedding that the run gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

from pydantic import ValidationInfo, field_validator, model_validator

from zigbench.spec.base import Position, Spec
from zigbench.spec.cost import Cost
from zigbench.spec.errors import Fault, SpecError
from zigbench.spec.faults import read
from zigbench.spec.geometry import Geometry
from zigbench.spec.plugins import STATED, BackboneConfig, BackboneSpec
from zigbench.spec.sections import ScanSpec


class NetworkSpec(Spec):
    """A backbone with its scan and its position embedding.

    Args:
        backbone: the family, its config and its patches.
        scan: the scan; None where the family takes none, or for the family's own default.
        position: position embedding; ``per-layer`` adds its own learned embedding before each block. None where the
            family takes none, or for the family's own default.
    """

    backbone: BackboneSpec
    scan: ScanSpec | None = None
    position: Position | None = None

    @classmethod
    def of(
        cls,
        name: str,
        /,
        *,
        curve: str | None = None,
        schemes: int | None = None,
        position: str | None = None,
        **config: Any,
    ) -> NetworkSpec:
        """Return the network of family ``name`` with the scan, the position and the config's keys that are given.

        Raises:
            SpecError: lists every fault.
        """
        scan = {key: value for key, value in (("curve", curve), ("schemes", schemes)) if value is not None}
        raw = {"backbone": {"name": name, "config": config}, "scan": scan or None, "position": position}
        return read(NetworkSpec, raw)

    @field_validator("scan", mode="before")
    @classmethod
    def _fill_scan(cls, scan: Any, info: ValidationInfo) -> Any:
        if "backbone" not in info.data:
            return scan  # The backbone is the fault to report.
        family = type(info.data["backbone"].config)
        default = family.default_scan if family.default_scan is not None else _defaults(family, "curve", "schemes")
        if scan is None:
            return default or None
        if not default:
            keys = scan if isinstance(scan, Mapping) else {"curve": scan}
            raise SpecError(_meaningless(f"scan.{key}", value, info) for key, value in keys.items())
        return {**default, **scan} if isinstance(scan, Mapping) else scan

    @field_validator("position", mode="before")
    @classmethod
    def _fill_position(cls, position: Any, info: ValidationInfo) -> Any:
        if "backbone" not in info.data:
            return position
        family = type(info.data["backbone"].config)
        default = family.default_position or _defaults(family, "position").get("position")
        if position is not None and default is None:
            raise SpecError([_meaningless("position", position, info)])
        return default if position is None else position

    @model_validator(mode="after")
    def _check_words(self) -> Self:
        _ = self.config  # Reads the scan and the position in a config that has fields for them.
        return self

    @cached_property
    def config(self) -> BackboneConfig:
        """The family's config, with the run's scan and position in it where it has fields for them."""
        config = self.backbone.config
        values = {"position": self.position, **(dict(self.scan) if self.scan else {})}
        own = {word: value for word, value in values.items() if word in type(config).model_fields}
        if not own:
            return config
        try:
            return read(type(config), {**dict(config), **own}, at="backbone.config")
        except SpecError as error:
            paths = {f"backbone.config.{word}": path for word, path in STATED.items()}
            raise SpecError(replace(fault, path=paths.get(fault.path, fault.path)) for fault in error.faults) from None

    def arguments(self, geometry: Geometry) -> tuple[Any, ...]:
        """Return the arguments of the network's class."""
        return (self.config, geometry, *self._further)

    def faults(self, geometry: Geometry) -> Iterator[Fault]:
        """Yield the reasons why this network is impossible on ``geometry``."""
        for problem in self.config.faults(geometry, *self._further):
            yield problem if isinstance(problem, Fault) else Fault("backbone.config", "", problem)

    def parameters(self, geometry: Geometry) -> int | None:
        """Return the parameters on ``geometry``, frozen ones included; None for a family that declares no number."""
        return self.config.parameters(geometry, *self._further)

    def cost(self, geometry: Geometry, *, batch: int = 1) -> Cost | None:
        """Return the work of one forward pass with every condition given; None for a family that declares none."""
        return self.config.cost(geometry, *self._further, batch=batch)

    @property
    def _further(self) -> tuple[Any, ...]:
        """Scan and position, for a family that takes them as arguments."""
        family = type(self.backbone.config)
        return () if family.default_scan is None and family.default_position is None else (self.scan, self.position)


def _defaults(family: type[BackboneConfig], *words: str) -> dict[str, Any]:
    """Return the defaults of those fields of a family's config that stand for scan or position."""
    fields = family.model_fields
    return {word: fields[word].get_default() for word in words if word in fields and not fields[word].is_required()}


def _meaningless(path: str, value: Any, info: ValidationInfo) -> Fault:
    name = info.data["backbone"].name
    return Fault(path, repr(value), f"has no meaning for the backbone {name!r}, which takes none", "leave it out")
