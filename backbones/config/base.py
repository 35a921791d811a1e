"""What the configs of all families share: named sizes, position embedding, meaning of the time input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from zigbench.scan import canonical, layer_variants
from zigbench.scan.catalog import parse
from zigbench.spec import BackboneConfig, Cost, Geometry, Position, Positive, registry

TimeInput = Literal["scaled", "unit", "reversed"]


class SizedConfig(BackboneConfig):
    """A config with named sizes.

    ``size`` fills in the numbers of a published model (``width``, ``depth``, …); a number given beside it
    replaces the size's own. A config whose numbers are those of a named size has that ``size`` however it was
    written, any other has none, so that configs that mean the same are equal.

    Attributes:
        size: a name in ``sizes``, or None for numbers of one's own.
        width: features of a token.
        depth: blocks.
        position: position embedding. ``per-layer`` adds its own learned embedding before each block.
        time: what the network's sinusoids see of t ∈ [0, 1] (0 noise, 1 data). ``scaled``: 1000 t, as ZigMa;
            ``unit``: t, as SiT; ``reversed``: 999 (1 − t), the step of the diffusion that DiT and U-ViT were
            trained on.
    """

    clips: ClassVar[bool] = True
    sizes: ClassVar[Mapping[str, Mapping[str, int]]]
    default_size: ClassVar[str] = "B"

    size: str | None = None
    width: Positive
    depth: Positive
    position: Position = "learned"
    time: TimeInput = "scaled"

    @model_validator(mode="before")
    @classmethod
    def _fill_from_size(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        raw = {key: value for key, value in raw.items() if value is not None or key != "size"}
        name = raw.get("size", cls.default_size)
        if name not in cls.sizes:
            raise ValueError(f"unknown size {name!r} (known: {', '.join(cls.sizes)})")
        preset = cls.sizes[name]
        given = {key: raw[key] for key in preset if raw.get(key) is not None}
        if "size" in raw and len(given) == len(preset) and given not in cls.sizes.values():
            own = ", ".join(f"{key} {value}" for key, value in preset.items() if given[key] != value)
            other = ", ".join(f"{key} {value}" for key, value in given.items() if preset[key] != value)
            raise ValueError(
                f"size {name!r} means {own}, but the config says {other}: "
                "set size to null to choose the numbers, or leave them out to choose the size"
            )
        if "size" in raw and len(given) == len(preset):
            # Complete numbers of another size are what a resolved config holds after its size was changed.
            given = {}
        filled = {**preset, **given}
        if "heads" in filled and "heads" not in given and filled["width"] != preset["width"]:
            filled["heads"] = usual_heads(filled["width"])
        raw.pop("size", None)
        named = [key for key, numbers in cls.sizes.items() if dict(numbers) == filled]
        return {**raw, **filled, **({"size": named[0]} if named else {})}

    def faults(self, geometry: Geometry) -> Iterator[str]:
        yield from super().faults(geometry)
        if self.position == "sincos" and self.width % 4:
            yield f"position 'sincos' needs a width that 4 divides, and width is {self.width}"

    def positions(self, geometry: Geometry) -> int:
        """Places that the position embedding tells apart, tokens that are not patches left out."""
        return geometry.tokens

    def cost(self, geometry: Geometry, *, batch: int = 1) -> Cost:
        # The closed forms know every config, so they stand above this module and are loaded when asked for.
        from backbones.flops import forward_cost

        return forward_cost(self, geometry, batch=batch)


class ScanConfig(SizedConfig):
    """A config of a family that scans: which curve, and the state space's own numbers.

    Attributes:
        curve: a registered scan curve.
        schemes: how many of its symmetries are used; layer i uses variant i % schemes.
        d_state: states per channel (N).
        d_conv: taps of the causal convolution.
        expand: inner width over width.
        order_seed: seed of curves that are drawn, such as ``random``.
    """

    curve: str = "zigzag"
    schemes: Positive = 8
    d_state: Positive = 16
    d_conv: Positive = 4
    expand: Positive = 2
    order_seed: int = 0

    @field_validator("curve")
    @classmethod
    def _known(cls, name: str) -> str:
        # Whether the data are images or clips is not known here; `faults` holds the curve against them.
        return canonical(name, dimensions=3 if parse(name)[0] in registry.volumes.names() else 2)

    def faults(self, geometry: Geometry) -> Iterator[str]:
        yield from super().faults(geometry)
        try:
            layer_variants(self.schemes, 1)
            canonical(self.curve, dimensions=self.curve_dimensions(geometry))
        except ValueError as fault:
            yield str(fault)


def usual_heads(width: int) -> int:
    """Number of heads that divides ``width`` and brings a head closest to 64 features."""
    if not isinstance(width, int) or width < 1:
        return 1  # The width itself is the fault to report.
    divisors = [heads for heads in range(1, width + 1) if width % heads == 0]
    return min(divisors, key=lambda heads: (abs(width // heads - 64), heads))
