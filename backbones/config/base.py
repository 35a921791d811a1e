"""Shared bases of the families' configs: named sizes, the time input, and the state space of those that scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from backbones.config.layers import EMPTY, Layer
from backbones.config.mixers import MIXERS, usual_heads
from zigbench.scan import VARIANTS, canonical
from zigbench.spec import BackboneConfig, Cost, Geometry, Position, Positive, ScanSpec, later_key
from zigbench.spec.base import OneOf
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
        times: time inputs: 1, or 2 for a network of intervals, which is told their end too, by a second time MLP of
            their length, ``end − t``. Sinusoids of 1000 t make derivatives by t a thousand times as large: for such a
            network ``time = "unit"`` trains steadily.
    """

    clips: ClassVar[bool] = True
    sizes: ClassVar[Mapping[str, Mapping[str, int]]]
    default_size: ClassVar[str] = "B"
    default_position: ClassVar[Position] = "learned"

    size: str | None = None
    width: Positive
    depth: Positive
    time: TimeInput = "scaled"
    times: Literal[1, 2] = later_key(1)

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

    @property
    def blocks(self) -> int:
        """Blocks in all."""
        return self.depth

    def sequences(self, geometry: Geometry) -> tuple[int, ...]:
        """Return for each block the number of sequences that it splits the tokens into, each mixed by itself."""
        return (1,) * self.blocks


class ScanConfig(SizedConfig):
    """A config of a family that scans: its mixer, and the mixer's own numbers.

    Attributes:
        d_state: states per channel (N).
        d_conv: taps of the causal convolution.
        expand: inner width over width.
        order_seed: seed of curves that are drawn, such as ``random``.
        mixer: the operator that mixes a block's tokens. ``nc-ssd`` and ``attention`` see no order.
        head_width: features of a head, for mixers with heads; it divides their inner width. None for the size closest
            to 64.
        attention_every: each so many blocks, the last of them mixes by attention instead; 0 for none.
        attention_shared: one set of attention weights for all such blocks, as DiMSUM has.
    """

    default_scan: ClassVar[Mapping[str, Any]] = {"curve": "zigzag", "schemes": 8}

    d_state: Positive = 16
    d_conv: Positive = 4
    expand: Positive = 2
    order_seed: int = 0
    mixer: Annotated[str, OneOf(MIXERS)] = later_key("mamba")
    head_width: Positive | None = later_key(None)
    attention_every: Annotated[int, Field(ge=0)] = later_key(0)
    attention_shared: bool = later_key(False)

    def directions(self, scan: ScanSpec | None = None) -> int:
        """Return the number of scans inside one block."""
        return 1

    def schemes(self, scan: ScanSpec | None) -> int:
        """Return the schemes of a scan, or of the family's default."""
        number: int = self.default_scan["schemes"] if scan is None else scan.schemes
        return number

    def mixer_of(self, block: int) -> str:
        """Return the name of the mixer of a block, the first of which is 0."""
        return "attention" if self.attention_every and (block + 1) % self.attention_every == 0 else self.mixer

    def ordered_blocks(self) -> tuple[bool, ...]:
        """Return for each block whether it steps along the scan's order: (blocks,)."""
        return tuple(MIXERS[self.mixer_of(block)].sees_order for block in range(self.blocks))

    def sees_order(self) -> bool:
        return any(self.ordered_blocks())

    def mixers(self, geometry: Geometry, tokens: int, scan: ScanSpec | None) -> Layer:
        """Return the closed form of the mixers of all blocks, each over so many tokens."""
        names = [self.mixer_of(block) for block in range(self.blocks)]
        total = EMPTY
        for (name, sequences), count in Counter(zip(names, self.sequences(geometry), strict=True)).items():
            total += MIXERS[name].closed_form(self, tokens, self.directions(scan), sequences) * count
        if self.attention_shared:
            surplus = names.count("attention") - 1
            total += Layer(-surplus * MIXERS["attention"].closed_form(self, tokens, 1, 1).parameters)
        return total

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        yield from self._mixer_faults()
        curve, schemes = (scan.curve, scan.schemes) if scan else self.default_scan.values()
        try:
            canonical(curve, dimensions=len(self.scan_grid(geometry)))
        except ValueError as error:
            yield Fault("scan.curve", repr(curve), str(error))
        if schemes > VARIANTS:
            yield Fault("scan.schemes", str(schemes), f"a curve has {VARIANTS} symmetries; expected 1 to {VARIANTS}")

    def _mixer_faults(self) -> Iterator[Fault]:
        yield from MIXERS[self.mixer].faults(self)
        if self.attention_shared and not self.attention_every:
            problem = "no block shares attention, for attention_every is 0"
            yield Fault("backbone.config.attention_shared", "True", problem, "set attention_every")
        if self.attention_every:
            path, given = "backbone.config.attention_every", str(self.attention_every)
            if self.mixer == "attention":
                yield Fault(path, given, "the mixer of every block is attention already", "leave it out")
                return
            yield from MIXERS["attention"].faults(self)
            if self.attention_every > self.blocks:
                yield Fault(path, given, f"no block is attention, for there are {self.blocks}", "take fewer")
