"""Work of a forward pass in closed form, without torch, and the counts behind the formulas of torch's counter.

Counted are matrix products, convolutions, attention and the scan; a multiplication and an addition are two. What is
done once a feature (norms, gates, activations) is not, as in the published tables.
"""

from __future__ import annotations

from typing import Any

from backbones.config import ClipConfig, DiMConfig, DiSConfig, DiTConfig, SizedConfig, UViTConfig, ZigMaConfig
from backbones.config.count import TIME_FREQUENCIES, dt_rank
from backbones.config.long_skip import LongSkipConfig
from zigbench.spec import Cost, Geometry


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
    return forward_cost(config, geometry, batch=batch).flops


def forward_cost(config: SizedConfig, geometry: Geometry, *, batch: int = 1) -> Cost:
    """Operations, exponentials and traffic of one forward pass with every condition given.

    The weights are read once a call, whatever the batch. Attention is taken as one pass over its queries, keys and
    values, as fused kernels compute it, with one exponential a pair of tokens and head.

    Raises:
        ValueError: a config of a family that this package does not have.
    """
    if isinstance(config, ZigMaConfig):
        sample = _zigma(config, geometry)
    elif isinstance(config, DiTConfig):
        sample = _dit(config, geometry)
    elif isinstance(config, LongSkipConfig):
        sample = _skeleton(config, geometry)
    else:
        raise ValueError(f"{type(config).__name__} is not one of this package's families")
    return sample * batch + Cost(0, 0, 0, config.parameters(geometry) or 0)


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


NOTHING = Cost(0, 0, 0, 0)


def _linear(rows: int, inputs: int, outputs: int) -> Cost:
    return Cost(2 * rows * inputs * outputs, 0, 0, rows * (inputs + outputs))


def _conv(length: int, channels: int, taps: int) -> Cost:
    return Cost(0, conv_flops(1, length, channels, taps), 0, 2 * length * channels)


def _scan(length: int, channels: int, states: int, *, gate: bool) -> Cost:
    flops = scan_flops(1, length, channels, states, gate=gate)
    # u, Δ and y, the gate where it is inside; B and C.
    return Cost(0, flops, length * channels * states, (3 + gate) * length * channels + 2 * length * states)


def _mixer(config: Any, tokens: int) -> Cost:
    width, inner, rank = config.width, config.expand * config.width, dt_rank(config.width)
    one = _conv(tokens, inner, config.d_conv) + _linear(tokens, inner, rank + 2 * config.d_state)
    one += _linear(tokens, rank, inner)
    # Several directions share one gate, which is then applied outside of the scans.
    one += _scan(tokens, inner, config.d_state, gate=config.directions == 1)
    return _linear(tokens, width, 2 * inner) + one * config.directions + _linear(tokens, inner, width)


def _products(tokens: int, others: int, width: int, heads: int) -> Cost:
    """Scores of ``tokens`` queries with ``others`` keys, softmax, weighted sum of the values."""
    return Cost(4 * tokens * others * width, 0, tokens * others * heads, 2 * (tokens + others) * width)


def _attention(tokens: int, width: int, heads: int, *, groups: int = 1) -> Cost:
    """Self-attention within each of so many equal groups of the tokens."""
    products = _products(tokens // groups, tokens // groups, width, heads) * groups
    return _linear(tokens, width, 3 * width) + products + _linear(tokens, width, width)


def _cross(tokens: int, text: int, width: int, inner: int, heads: int) -> Cost:
    projections = _linear(tokens, width, inner) + _linear(tokens, inner, width) + _linear(text, width, inner) * 2
    return projections + _products(tokens, text, inner, heads)


def _mlp(tokens: int, width: int, ratio: float) -> Cost:
    return _linear(tokens, width, int(ratio * width)) * 2


def _ends(config: SizedConfig, geometry: Geometry) -> Cost:
    """Patch embedding, text projection and the map back to pixels."""
    pixels = geometry.channels * geometry.patch**2
    text = NOTHING if geometry.context is None else _linear(*geometry.context, config.width)
    out = pixels * (2 if config.learned_sigma else 1)
    return _linear(geometry.tokens, pixels, config.width) + text + _linear(geometry.tokens, config.width, out)


def _time(width: int) -> Cost:
    return _linear(1, TIME_FREQUENCIES, width) + _linear(1, width, width)


def _zigma(config: ZigMaConfig, geometry: Geometry) -> Cost:
    width = config.width
    block = _mixer(config, geometry.tokens) + _linear(1, width, (3 if geometry.context is None else 6) * width)
    if geometry.context is not None:
        inner = config.text_heads * config.text_head_width
        block += _cross(geometry.tokens, geometry.context[0], width, inner, config.text_heads)
    return _ends(config, geometry) + _time(width) + block * config.depth


def _dit(config: DiTConfig, geometry: Geometry) -> Cost:
    width = config.width
    block = _mlp(geometry.tokens, width, config.mlp_ratio)
    block += _linear(1, width, (6 if geometry.context is None else 9) * width)
    if geometry.context is not None:
        block += _cross(geometry.tokens, geometry.context[0], width, width, config.heads)
    total = _ends(config, geometry) + _time(width) + block * config.depth + _linear(1, width, 2 * width)
    frames = geometry.frames or 1
    groups = {"joint": 1, "space": frames, "time": geometry.tokens // frames}
    for axis in config.axes if isinstance(config, ClipConfig) else ("joint",) * config.depth:
        total += _attention(geometry.tokens, width, config.heads, groups=groups[axis])
    return total


def _skeleton(config: LongSkipConfig, geometry: Geometry) -> Cost:
    width = config.width
    extras = 1 + (geometry.classes is not None) + (geometry.context or (0, 0))[0]
    tokens = extras + geometry.tokens
    total = _ends(config, geometry) + (_mlp(1, width, 4) if config.time_mlp else NOTHING)
    if isinstance(config, DiMConfig):
        rows, columns = geometry.grid
        tokens = extras + (rows + config.pads) * (columns + config.pads)
        total += _conv(geometry.tokens, width, 9) * 2 if config.smooth else NOTHING
    if isinstance(config, UViTConfig):
        block = _attention(tokens, width, config.heads) + _mlp(tokens, width, config.mlp_ratio)
        channels = geometry.channels * (2 if config.learned_sigma else 1)
        pixels = (geometry.frames or 1) * geometry.height * geometry.width
        total += _linear(pixels, 9 * channels, channels) if config.conv else NOTHING
    else:
        assert isinstance(config, DiSConfig)
        block = _mixer(config, tokens)
        conditioned = geometry.classes is not None or geometry.context is not None
        total += _linear(1, width, 2 * width) if conditioned else NOTHING
    joins = _linear(tokens, 2 * width, width) * (config.depth // 2) if config.skip else NOTHING
    return total + joins + block * config.blocks
