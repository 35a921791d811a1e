"""Shared bases of the families' configs: named sizes, the time input, and the state space of those that scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from backbones.config.layers import Layer, mixer
from zigbench.scan import VARIANTS, canonical
from zigbench.spec import BackboneConfig, Cost, Geometry, Position, Positive, ScanSpec
from zigbench.spec.errors import Fault

TimeInput = Literal["scaled", "unit", "reversed"]


class SizedConfig(BackboneConfig):
    """A config with named sizes.

    ``size`` fills in the numbers of a published model (``width``, ``depth``, …); a number given beside it
    replaces the size's own. A config whose numbers are those of a named size has that ``size`` however it was
    written, any other has none, so that configs that mean the same are equal.

    Attributes:
        size: a name in ``sizes``, or None for other numbers.
        width: features of a token.
        depth: blocks.
        time: the input of the network's sinusoids for t ∈ [0, 1] (0 noise, 1 data). ``scaled``: 1000 t, as ZigMa;
            ``unit``: t, as SiT; ``reversed``: 999 (1 − t), the step of the diffusion that DiT and U-ViT were
            trained on.
    """

    clips: ClassVar[bool] = True
    sizes: ClassVar[Mapping[str, Mapping[str, int]]]
    default_size: ClassVar[str] = "B"
    default_position: ClassVar[Position] = "learned"

    size: str | None = None
    width: Positive
    depth: Positive
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
            # After its size was changed, a resolved config still holds the complete numbers of the former size.
            given = {}
        filled = {**preset, **given}
        if "heads" in filled and "heads" not in given and filled["width"] != preset["width"]:
            filled["heads"] = usual_heads(filled["width"])
        raw.pop("size", None)
        named = [key for key, numbers in cls.sizes.items() if dict(numbers) == filled]
        return {**raw, **filled, **({"size": named[0]} if named else {})}

    def closed_form(self, geometry: Geometry, scan: ScanSpec | None, position: Position | None) -> Layer:
        """Return the closed form of the network: all its layers added up."""
        raise NotImplementedError

    def parameters(self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None) -> int:
        return self.closed_form(geometry, scan, position).parameters

    def cost(
        self,
        geometry: Geometry,
        scan: ScanSpec | None = None,
        position: Position | None = None,
        *,
        batch: int = 1,
    ) -> Cost:
        network = self.closed_form(geometry, scan, position)
        # The weights are read once a call, for any batch.
        return network.cost * batch + Cost(0, 0, 0, network.parameters)

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry)
        if (position or self.default_position) == "sincos" and self.width % 4:
            yield Fault("position", "'sincos'", f"needs a width that 4 divides, and width is {self.width}")

    def places(self, geometry: Geometry) -> int:
        """Return the number of patches that the position embedding distinguishes."""
        return geometry.tokens


class ScanConfig(SizedConfig):
    """A config of a family that scans: the state space's own numbers.

    Attributes:
        d_state: states per channel (N).
        d_conv: taps of the causal convolution.
        expand: inner width over width.
        order_seed: seed of curves that are drawn, such as ``random``.
    """

    default_scan: ClassVar[Mapping[str, Any]] = {"curve": "zigzag", "schemes": 8}

    d_state: Positive = 16
    d_conv: Positive = 4
    expand: Positive = 2
    order_seed: int = 0

    def directions(self, scan: ScanSpec | None = None) -> int:
        """Return the number of scans inside one block."""
        return 1

    def schemes(self, scan: ScanSpec | None) -> int:
        """Return the schemes of a scan, or of the family's default."""
        number: int = self.default_scan["schemes"] if scan is None else scan.schemes
        return number

    def mixer(self, tokens: int, scan: ScanSpec | None) -> Layer:
        """Return the closed form of a block's mixer."""
        return mixer(
            tokens, self.width, self.directions(scan), d_state=self.d_state, d_conv=self.d_conv, expand=self.expand
        )

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        curve, schemes = (scan.curve, scan.schemes) if scan else self.default_scan.values()
        try:
            canonical(curve, dimensions=len(self.scan_grid(geometry)))
        except ValueError as error:
            yield Fault("scan.curve", repr(curve), str(error))
        if schemes > VARIANTS:
            yield Fault("scan.schemes", str(schemes), f"a curve has {VARIANTS} symmetries; expected 1 to {VARIANTS}")


def usual_heads(width: int) -> int:
    """Return the number of heads that divides ``width`` and brings a head closest to 64 features."""
    if not isinstance(width, int) or width < 1:
        return 1  # The width itself is the fault to report.
    divisors = [heads for heads in range(1, width + 1) if width % heads == 0]
    return min(divisors, key=lambda heads: (abs(width // heads - 64), heads))
