"""Floating-point operations: in closed form without torch (:func:`forward_flops`), and formulas for torch's counter.

Counted are matrix products, convolutions, attention and the scan; a multiplication and an addition are two. What is
done once a feature (norms, gates, activations) is not, as in the published tables.
"""

from __future__ import annotations

from typing import Any

from backbones.config import DiMConfig, DiSConfig, DiTConfig, SizedConfig, UViTConfig, ZigMaConfig
from backbones.config.count import TIME_FREQUENCIES, dt_rank
from backbones.config.skeleton import SkeletonConfig
from zigbench.spec import Geometry


def scan_flops(batch: int, length: int, channels: int, states: int, *, skip: bool = True, gate: bool = True) -> int:
    """A selective scan: 9 a state, one more for D and for the gate.

    The field's count (VMamba's and ZigMa's counters use it too): ΔA, its exponential, ΔB u, the update of the
    state and its product with C.
    """
    return batch * length * channels * (9 * states + skip + gate)


def conv_flops(batch: int, length: int, channels: int, taps: int) -> int:
    """A depthwise convolution: a multiplication and an addition a tap."""
    return 2 * batch * length * channels * taps


def forward_flops(config: SizedConfig, geometry: Geometry, *, batch: int = 1) -> int:
    """Operations of one forward pass with every condition given; the backward pass takes twice as many.

    Raises:
        ValueError: a config of a family that this package does not have.
    """
    if isinstance(config, ZigMaConfig):
        return batch * _zigma(config, geometry)
    if isinstance(config, DiTConfig):
        return batch * _dit(config, geometry)
    if isinstance(config, SkeletonConfig):
        return batch * _skeleton(config, geometry)
    raise ValueError(f"{type(config).__name__} is not one of this package's families")


def published_layer_cost(kind: str, tokens: int, width: int, *, directions: int = 1, states: int = 16) -> int:
    """Cost of one layer as the papers write it, in multiply-adds: M tokens of width D, N states.

    ``attention``: 4 M D² + 2 M² D; ``mamba``: k · (3 M (2D) N + M (2D) N²) for k directions. Projections of the
    Mamba layer are not in it, so the two are not comparable with each other; :func:`forward_flops` is.
    """
    if kind == "attention":
        return 4 * tokens * width**2 + 2 * tokens**2 * width
    if kind == "mamba":
        return directions * (3 * tokens * 2 * width * states + tokens * 2 * width * states**2)
    raise ValueError(f"unknown layer {kind!r} (known: attention, mamba)")


def _linear(rows: int, inputs: int, outputs: int) -> int:
    return 2 * rows * inputs * outputs


def _mixer(config: Any, tokens: int) -> int:
    width, inner, rank = config.width, config.expand * config.width, dt_rank(config.width)
    one = conv_flops(1, tokens, inner, config.d_conv) + _linear(tokens, inner, rank + 2 * config.d_state)
    one += _linear(tokens, rank, inner)
    # Several directions share one gate, which is then applied outside of the scans.
    one += scan_flops(1, tokens, inner, config.d_state, gate=config.directions == 1)
    return _linear(tokens, width, 2 * inner) + config.directions * one + _linear(tokens, inner, width)


def _attention(tokens: int, width: int) -> int:
    return _linear(tokens, width, 3 * width) + 4 * tokens**2 * width + _linear(tokens, width, width)


def _cross(tokens: int, text: int, width: int, inner: int) -> int:
    projections = 2 * _linear(tokens, width, inner) + 2 * _linear(text, width, inner)
    return projections + 4 * tokens * text * inner


def _mlp(tokens: int, width: int, ratio: float) -> int:
    return 2 * _linear(tokens, width, int(ratio * width))


def _ends(config: SizedConfig, geometry: Geometry) -> int:
    """Patch embedding, text projection and the map back to pixels."""
    pixels = geometry.channels * geometry.patch**2
    text = 0 if geometry.context is None else _linear(*geometry.context, config.width)
    out = pixels * (2 if config.learned_sigma else 1)
    return _linear(geometry.tokens, pixels, config.width) + text + _linear(geometry.tokens, config.width, out)


def _time(width: int) -> int:
    return _linear(1, TIME_FREQUENCIES, width) + _linear(1, width, width)


def _zigma(config: ZigMaConfig, geometry: Geometry) -> int:
    width = config.width
    block = _mixer(config, geometry.tokens) + _linear(1, width, (3 if geometry.context is None else 6) * width)
    if geometry.context is not None:
        block += _cross(geometry.tokens, geometry.context[0], width, config.text_heads * config.text_head_width)
    return _ends(config, geometry) + _time(width) + config.depth * block


def _dit(config: DiTConfig, geometry: Geometry) -> int:
    width = config.width
    block = _attention(geometry.tokens, width) + _mlp(geometry.tokens, width, config.mlp_ratio)
    block += _linear(1, width, (6 if geometry.context is None else 9) * width)
    if geometry.context is not None:
        block += _cross(geometry.tokens, geometry.context[0], width, width)
    return _ends(config, geometry) + _time(width) + _linear(1, width, 2 * width) + config.depth * block


def _skeleton(config: SkeletonConfig, geometry: Geometry) -> int:
    width = config.width
    extras = 1 + (geometry.classes is not None) + (geometry.context or (0, 0))[0]
    tokens = extras + geometry.tokens
    total = _ends(config, geometry) + (_mlp(1, width, 4) if config.time_mlp else 0)
    if isinstance(config, DiMConfig):
        rows, columns = geometry.grid
        tokens = extras + (rows + config.pads) * (columns + config.pads)
        total += 2 * conv_flops(1, geometry.tokens, width, 9) if config.smooth else 0
    if isinstance(config, UViTConfig):
        block = _attention(tokens, width) + _mlp(tokens, width, config.mlp_ratio)
        channels = geometry.channels * (2 if config.learned_sigma else 1)
        pixels = (geometry.frames or 1) * geometry.height * geometry.width
        total += _linear(pixels, 9 * channels, channels) if config.conv else 0
    else:
        assert isinstance(config, DiSConfig)
        block = _mixer(config, tokens)
        conditioned = geometry.classes is not None or geometry.context is not None
        total += _linear(1, width, 2 * width) if conditioned else 0
    joins = config.depth // 2 * _linear(tokens, 2 * width, width) if config.skip else 0
    return total + joins + config.blocks * block
