"""Configs of the families for clips: blocks mix along space, along time, or along both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import field_validator

from backbones.config import layers
from backbones.config.base import SizedConfig
from backbones.config.dit import DiTConfig
from backbones.config.layers import EMPTY, Layer
from backbones.config.zigma import ZigMaConfig
from zigbench.spec import Geometry, Position, ScanSpec
from zigbench.spec.errors import Fault
from zigbench.spec.registry import backbones

JOINT = "joint"
Axis = Literal["joint", "space", "time"]

LETTERS: Mapping[str, Axis] = {"s": "space", "t": "time"}


class ClipConfig(SizedConfig):
    """A config of a family for clips.

    Attributes:
        pattern: ``joint``, where every block mixes all tokens of the clip; or letters, repeated over the depth: a
            block s mixes the tokens of each frame, a block t the frames at each place. ``ssts`` is the setting of
            ZigMa's paper on UCF101, ``sst`` its release's.
        position_axes: what a position embedding distinguishes: every token of the clip (``joint``; ``sincos`` then
            adds the frame's sinusoid to the place's), the places of a frame (``space``), the frames (``time``), or
            both, one embedding for each and their sum (``both``).
    """

    pattern: str
    position_axes: Literal["joint", "space", "time", "both"] = "joint"

    @field_validator("pattern")
    @classmethod
    def _of_known_letters(cls, pattern: str) -> str:
        if pattern != JOINT and (not pattern or set(pattern) - set(LETTERS)):
            others = ", ".join(repr(letter) for letter in dict.fromkeys(pattern) if letter not in LETTERS)
            raise ValueError(
                f"pattern {pattern!r}{f' has {others}' if others else ''}: expected 'joint', or the letters s (space) "
                "and t (time) in any order, such as 'ssts'"
            )
        return pattern

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axis that each block mixes along: (depth,)."""
        if self.pattern == JOINT:
            return tuple("joint" for _ in range(self.depth))
        return tuple(LETTERS[self.pattern[i % len(self.pattern)]] for i in range(self.depth))

    def places(self, geometry: Geometry) -> int:
        frames = geometry.frames or 1
        places = geometry.tokens // frames
        return {"joint": frames * places, "space": places, "time": frames, "both": places + frames}[self.position_axes]

    def sequences(self, geometry: Geometry) -> tuple[int, ...]:
        frames = geometry.frames or 1
        along = {"joint": 1, "space": frames, "time": geometry.tokens // frames}
        return tuple(along[axis] for axis in self.axes)

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        if geometry.frames is None:
            yield "maps clips, and the data are images; for those there are 'zigma' and 'dit'"
        if self.pattern != JOINT and len(self.pattern) > self.depth:
            yield f"pattern {self.pattern!r} has {len(self.pattern)} letters for a depth of {self.depth}"
        if (position or self.default_position) == "sincos" and self.position_axes == "both":
            yield "position 'sincos' is a sum over space and time already; position_axes 'joint' is the same"


@backbones.register("zigma-video")
class ZigMaVideoConfig(ClipConfig, ZigMaConfig):
    """ZigMa on clips: a scan of the whole box in every block, or scans along space and along time in turn.

    With ``pattern = joint`` the curve is one of clips (``zigzag``: eight continuous walks of the box; ``sweep`` with
    ``schemes = 1`` and ``bidirectional``: the flattened clip, both ways). With letters it is one of images: the k-th
    s block scans every frame along variant k % schemes, and t blocks scan the frames at each place, forward and
    backward in turn.

    Attributes:
        bidirectional: scan both ways in every block, with a second set of the scan's parameters, outputs summed.
    """

    network: ClassVar[str] = "backbones.video:ZigMaVideo"

    pattern: str = "ssts"
    bidirectional: bool = False

    def directions(self, scan: ScanSpec | None = None) -> int:
        return 2 if self.bidirectional else 1

    def scan_grid(self, geometry: Geometry) -> tuple[int, ...]:
        return geometry.token_grid if self.pattern == JOINT else geometry.grid


@backbones.register("dit-video")
class DiTVideoConfig(ClipConfig, DiTConfig):
    """DiT on clips: attention over all tokens, or within each frame and along the frames in turn."""

    network: ClassVar[str] = "backbones.video:DiTVideo"
    default_position: ClassVar[Position] = "learned"

    pattern: str = "st"

    def attentions(self, geometry: Geometry) -> Layer:
        total = EMPTY
        for groups in self.sequences(geometry):
            total += layers.attention(geometry.tokens, self.width, self.heads, qkv_bias=True, groups=groups)
        return total
