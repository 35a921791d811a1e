"""Plug-ins as a spec names them: a registered name and the plug-in's own typed config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field, SerializeAsAny, ValidationInfo, field_serializer, field_validator

from zigbench.spec import registry
from zigbench.spec.base import Position, Positive, Spec, Unit
from zigbench.spec.cost import Cost
from zigbench.spec.errors import Fault, SpecError
from zigbench.spec.faults import read
from zigbench.spec.geometry import Geometry

STATED: Mapping[str, str] = {"curve": "scan.curve", "schemes": "scan.schemes", "position": "position"}
"""The words for scan and position, and where a spec states them: at its top, never in the backbone's config."""


class BackboneConfig(Spec):
    """The base of every backbone's typed config; the plug-in of a backbone is its config class.

    A subclass names its network as ``network = "package.module:Class"``; the class is imported and called only when a
    network is built, so planning never imports torch. ``clips = True`` declares that the network maps clips (B, T, C,
    H, W), alone or besides images; it is then checked on clips.

    The scan and the position embedding belong to the run. A family that takes one declares the default of its runs,
    ``default_scan = {"curve": "zigzag", "schemes": 8}`` or ``default_position = "learned"``, and is then called with
    both, each None where the family takes none: ``Class(config, geometry, scan, position)``, and likewise its config's
    ``faults``, ``parameters`` and ``cost``. A family that declares neither is called as ``Class(config, geometry)``;
    where such a config has fields ``curve`` and ``schemes``, or ``position``, it gets the run's values in them.

    Attributes:
        drop_path: greatest probability of leaving a block out while training; it rises linearly with the depth.
        label_dropout: probability of training an image without its label or text, which guidance needs.
        learned_sigma: whether the output has twice the channels, the second half for a learned variance.
    """

    network: ClassVar[str]
    clips: ClassVar[bool] = False
    default_scan: ClassVar[Mapping[str, Any] | None] = None
    default_position: ClassVar[Position | None] = None

    drop_path: Unit = 0.0
    label_dropout: Unit = 0.1
    learned_sigma: bool = False

    def faults(self, geometry: Geometry) -> Iterator[str | Fault]:
        """Yield the reasons why this config is impossible on ``geometry``: sentences, or faults of other keys."""
        return iter(())

    def scan_grid(self, geometry: Geometry) -> tuple[int, ...]:
        """Return the sides of the grid that the scan curve walks: (rows, columns), or (frames, rows, columns)."""
        return geometry.token_grid

    def sees_order(self) -> bool:
        """Return whether any block's output depends on the scan's order; False only for mixers that see none."""
        return True

    def parameters(self, geometry: Geometry) -> int | None:
        """Return the network's parameters on ``geometry``, frozen ones included; None where they are not declared."""
        return None

    def cost(self, geometry: Geometry, *, batch: int = 1) -> Cost | None:
        """Return the work of one forward pass with every condition given; None where it is not declared."""
        return None


class DataConfig(Spec):
    """The base of every data set's typed config; the plug-in of a data set is its config class.

    ``loader = "package.module:Class"`` names the torch side, called as ``Class(config)`` to load the data.
    ``conditions`` names the keys that give images labels or texts and leave the images as they are.
    """

    loader: ClassVar[str]
    conditions: ClassVar[tuple[str, ...]] = ()

    def geometry(self, patch: int) -> Geometry:
        """Return the shape of the data, known without loading them."""
        raise TypeError(f"{type(self).__name__} does not declare the shape of its data: override geometry(patch)")


class ObjectiveConfig(Spec):
    """The base of every objective's typed config; the plug-in of an objective is its config class.

    ``implementation = "package.module:Class"`` names the torch side, an :class:`zigbench.objectives.base.Objective`.

    Attributes:
        times: time inputs that its network needs: 1, or 2 for a network of intervals (``backbone.config.times``).
        needs_teacher: whether it follows a trained network.
        solver: the only solver of its networks' samples; None for all that sample along the interpolant.
        determines_score: whether its networks predict what the path determines at a moment, from which the score of the
            noisy data follows.
    """

    implementation: ClassVar[str]
    times: ClassVar[int] = 1
    needs_teacher: ClassVar[bool] = False
    solver: ClassVar[str | None] = None
    determines_score: ClassVar[bool] = True

    @property
    def further_evaluations(self) -> float:
        """Forward passes of a training step beside the network's own, a teacher's included; a tangent counts as one."""
        return 0.0

    def faults(self, run: Any) -> Iterator[Fault]:
        """Yield the reasons why ``run``, a :class:`zigbench.spec.RunSpec`, can't have this objective."""
        return iter(())


class Component(Spec):
    """A plug-in by name with its own typed config."""

    _registry: ClassVar[registry.Registry[Any]]
    _path: ClassVar[str]
    name: str

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        cls._registry.get(name)
        return name

    @field_validator("config", mode="before", check_fields=False)
    @classmethod
    def _read_config(cls, config: Any, info: ValidationInfo) -> Any:
        if "name" not in info.data:
            # The unknown name is the fault to report; its config cannot be checked.
            return cls.model_fields["config"].annotation()  # type: ignore[misc]
        plugin = cls._registry.get(info.data["name"])
        if isinstance(config, plugin):
            return config
        return read(plugin, {} if config is None else config, at=cls._path)


class BackboneSpec(Component):
    """The network: a registered family, the side of its patches, and the family's own config.

    Args:
        name: a registered backbone.
        config: the family's own keys.
        patch: side of a square patch, in pixels or latent cells.
    """

    _registry = registry.backbones
    _path = "backbone.config"
    config: SerializeAsAny[BackboneConfig] = Field(default=cast(BackboneConfig, None), validate_default=True)
    patch: Positive = 1

    @field_validator("config", mode="before")
    @classmethod
    def _check_words(cls, config: Any) -> Any:
        if isinstance(config, Mapping) and (words := [word for word in STATED if word in config]):
            raise SpecError(Fault(f"{cls._path}.{w}", repr(config[w]), f"is stated as {STATED[w]}") for w in words)
        return config

    @field_serializer("config", mode="wrap")
    def _leave_out_words(self, config: Spec, handler: Any) -> Any:
        return {key: value for key, value in handler(config).items() if key not in STATED}


class ObjectiveSpec(Component):
    """The objective that the network is trained for: a registered name and its own config.

    Args:
        name: a registered objective.
        config: the objective's own keys.
        teacher: weights of the network that a distillation follows, of the run's own form: ``run:ID`` for the averaged
            ones of a run, or the SHA-256 of stored ones.
    """

    _registry = registry.objectives
    _path = "objective.config"
    name: str = "interpolant"
    config: SerializeAsAny[ObjectiveConfig] = Field(default=cast(ObjectiveConfig, None), validate_default=True)
    teacher: Annotated[str, Field(pattern=r"^([0-9a-f]{64}|run:[0-9a-f]{16})$")] | None = None


class DataSpec(Component):
    """The data set: a registered name and its own config.

    Args:
        name: a registered data set.
        config: the data set's own keys.
    """

    _registry = registry.data
    _path = "data.config"
    config: SerializeAsAny[DataConfig] = Field(default=cast(DataConfig, None), validate_default=True)
