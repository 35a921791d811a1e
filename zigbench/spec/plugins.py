"""Plug-ins as a spec names them: a registered name and the plug-in's own typed config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from pydantic import Field, SerializeAsAny, ValidationInfo, field_serializer, field_validator

from zigbench.spec import registry
from zigbench.spec.base import Positive, Spec, Unit
from zigbench.spec.cost import Cost
from zigbench.spec.geometry import Geometry

# Words of a backbone's config that a spec states once, at its top: `scan.curve`, `scan.schemes`, `position`.
LIFTED = {"curve": "scan.curve", "schemes": "scan.schemes", "position": "position"}


class BackboneConfig(Spec):
    """Base of every backbone's typed config; the entry point of a backbone is its config class.

    A subclass names its network as ``network = "package.module:Class"``; the class is imported and called as
    ``Class(config, geometry)`` only when a network is built, so planning never imports torch. ``clips = True`` says
    that the network maps clips (B, T, C, H, W) too, or only; it is then checked on those.

    Attributes:
        drop_path: greatest probability of leaving a block out while training; it rises linearly with the depth.
        label_dropout: probability of training an image without its label or text, which guidance needs.
        learned_sigma: whether the output has twice the channels, the second half for a learned variance.
    """

    network: ClassVar[str]
    clips: ClassVar[bool] = False
    drop_path: Unit = 0.0
    label_dropout: Unit = 0.1
    learned_sigma: bool = False

    def faults(self, geometry: Geometry) -> Iterator[str]:
        """What makes this config impossible on ``geometry``, in words; nothing when it is fine."""
        return iter(())

    def curve_dimensions(self, geometry: Geometry) -> int:
        """Sides of the grid that the config's scan curve walks, where it has one: 2 for images, 3 for clips."""
        return 2 if geometry.frames is None else 3

    def parameters(self, geometry: Geometry) -> int | None:
        """Parameters of the network on ``geometry``, frozen ones included; None for a family that does not say."""
        return None

    def cost(self, geometry: Geometry, *, batch: int = 1) -> Cost | None:
        """Work of one forward pass with every condition given; None for a family that does not say."""
        return None


class DataConfig(Spec):
    """Base of every data set's typed config; the entry point of a data set is its config class.

    ``loader = "package.module:Class"`` names the torch side, called as ``Class(config)`` to load the data.
    """

    loader: ClassVar[str]

    def geometry(self, patch: int) -> Geometry:
        """Shape of the data, known without loading them."""
        raise TypeError(f"{type(self).__name__} does not say the shape of its data: override geometry(patch)")


class Component(Spec):
    """A plug-in by name with its own typed config."""

    _registry: ClassVar[registry.Registry[Any]]
    name: str

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        cls._registry.get(name)
        return name

    @field_validator("config", mode="before", check_fields=False)
    @classmethod
    def _typed(cls, config: Any, info: ValidationInfo) -> Any:
        if "name" not in info.data:
            # The unknown name is the fault to report; its config can't be judged.
            return cls.model_fields["config"].annotation()  # type: ignore[misc]
        plugin = cls._registry.get(info.data["name"])
        if isinstance(config, plugin):
            return config
        return plugin.model_validate({} if config is None else config)


class BackboneSpec(Component):
    """The network: a registered family, the side of its patches, and the family's own config.

    Args:
        name: a registered backbone.
        config: the family's own keys.
        patch: side of a square patch, in pixels or latent cells.
    """

    _registry = registry.backbones
    config: SerializeAsAny[BackboneConfig] = Field(default=cast(BackboneConfig, None), validate_default=True)
    patch: Positive = 1

    @field_serializer("config", mode="wrap")
    def _without_lifted(self, config: Spec, handler: Any) -> Any:
        return {key: value for key, value in handler(config).items() if key not in LIFTED}


class DataSpec(Component):
    """The data set: a registered name and its own config.

    Args:
        name: a registered data set.
        config: the data set's own keys.
    """

    _registry = registry.data
    config: SerializeAsAny[DataConfig] = Field(default=cast(DataConfig, None), validate_default=True)
