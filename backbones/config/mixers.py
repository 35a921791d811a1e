"""The mixers of a block's tokens, by name, without torch: their keys, closed forms, faults and classes.

A mixer stands in a block of any family that scans. Its class has the arguments of
:class:`backbones.layers.mamba.MambaMixer`: a width, the visiting orders, and those of the config's keys that it names
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from backbones.config import layers
from backbones.config.layers import Layer
from zigbench.spec.errors import Fault

GATE_RANK = 16
"""Rank of the projection that the decays of gated linear attention come from, as in its release."""


class MixerSizes(Protocol):
    """The keys of a config that sizes of a mixer follow from."""

    @property
    def width(self) -> int: ...
    @property
    def d_state(self) -> int: ...
    @property
    def d_conv(self) -> int: ...
    @property
    def expand(self) -> int: ...
    @property
    def head_width(self) -> int | None: ...


@dataclass(frozen=True)
class Mixer:
    """A mixer as planning knows it.

    Attributes:
        layer: path of its class.
        keys: keys of the config that the class takes.
        closed_form: a function of the sizes, the tokens, the directions and the sequences that the tokens are split
            into.
        faults: a function from the sizes to the reasons why the mixer is impossible.
        operators: families of operators that it computes with, its recurrence's first: ``scan``, the selective scan and
            the causal convolution, and ``state``, the recurrences of matrix-valued states. None for a control.
    """

    layer: str
    keys: tuple[str, ...]
    closed_form: Callable[[MixerSizes, int, int, int], Layer]
    faults: Callable[[MixerSizes], Iterator[Fault]]
    operators: tuple[str, ...] = ()

    @property
    def sees_order(self) -> bool:
        """True for a mixer that steps along the visiting order."""
        return bool(self.operators)


def usual_heads(width: int, multiple: int = 1) -> int:
    """Return the number of heads that divides ``width`` and brings a head closest to 64 features.

    Args:
        width: features of all heads.
        multiple: a head's features are a multiple of it, where that is possible.
    """
    if not isinstance(width, int) or width < 1 or width % multiple:
        return 1  # The width itself is the fault to report.
    divisors = [heads for heads in range(1, width // multiple + 1) if width % (heads * multiple) == 0]
    return min(divisors, key=lambda heads: (abs(width // heads - 64), heads))


def heads_of(width: int, head_width: int | None, multiple: int = 1) -> int:
    """Return the heads of so many features each, or by :func:`usual_heads` where their size is not given."""
    return usual_heads(width, multiple) if head_width is None else width // head_width


def _no_faults(sizes: MixerSizes) -> Iterator[Fault]:
    return iter(())


def _head_faults(width: int, head_width: int | None, words: str) -> Iterator[Fault]:
    if head_width is not None and width % head_width:
        problem = f"does not divide the {words} {width}"
        yield Fault("backbone.config.head_width", str(head_width), problem, "leave it out for the usual size")


def _mamba(sizes: MixerSizes, tokens: int, directions: int, sequences: int) -> Layer:
    return layers.mixer(
        tokens, sizes.width, directions, d_state=sizes.d_state, d_conv=sizes.d_conv, expand=sizes.expand
    )


def _attention(sizes: MixerSizes, tokens: int, directions: int, sequences: int) -> Layer:
    heads = heads_of(sizes.width, sizes.head_width)
    return layers.attention(tokens, sizes.width, heads, qkv_bias=True, groups=sequences)


def _attention_faults(sizes: MixerSizes) -> Iterator[Fault]:
    yield from _head_faults(sizes.width, sizes.head_width, "width")


def _nc_ssd(sizes: MixerSizes, tokens: int, directions: int, sequences: int) -> Layer:
    inner = sizes.expand * sizes.width
    heads = heads_of(inner, sizes.head_width)
    steps = layers.linear(tokens, sizes.width, heads) + Layer(2 * heads)
    return _of_state_space(sizes, tokens) + steps + layers.global_state(tokens, inner, sizes.d_state)


def _mamba2(sizes: MixerSizes, tokens: int, directions: int, sequences: int) -> Layer:
    inner = sizes.expand * sizes.width
    heads = heads_of(inner, sizes.head_width)
    branch = layers.depthwise_conv(tokens, inner + 2 * sizes.d_state, sizes.d_conv)
    branch += layers.linear(tokens, sizes.width, heads) + Layer(2 * heads)
    branch += layers.matrix_state(tokens, heads, sizes.d_state, inner // heads, decays=heads, shared_keys=True)
    return _of_state_space(sizes, tokens) + branch * directions


def _of_state_space(sizes: MixerSizes, tokens: int) -> Layer:
    """Return the layers of a Mamba-2 mixer that its directions share: in_proj, norm and out_proj."""
    inner = sizes.expand * sizes.width
    inputs = layers.linear(tokens, sizes.width, 2 * inner + 2 * sizes.d_state, bias=False)
    return inputs + layers.norm(inner) + layers.linear(tokens, inner, sizes.width, bias=False)


def _gla(sizes: MixerSizes, tokens: int, directions: int, sequences: int) -> Layer:
    keys, values, heads = _keys_and_values(sizes)
    branch = layers.linear(tokens, sizes.width, GATE_RANK, bias=False) + layers.linear(tokens, GATE_RANK, keys)
    branch += layers.matrix_state(tokens, heads, keys // heads, values // heads, decays=keys)
    return _of_linear_attention(sizes, tokens) + branch * directions


def _gated_deltanet(sizes: MixerSizes, tokens: int, directions: int, sequences: int) -> Layer:
    keys, values, heads = _keys_and_values(sizes)
    branch = layers.depthwise_conv(tokens, 2 * keys + values, sizes.d_conv, bias=False)
    branch += layers.linear(tokens, sizes.width, heads, bias=False) * 2 + Layer(2 * heads)
    branch += layers.matrix_state(tokens, heads, keys // heads, values // heads, decays=heads, delta_rule=True)
    return _of_linear_attention(sizes, tokens) + branch * directions


def _keys_and_values(sizes: MixerSizes) -> tuple[int, int, int]:
    """Return the features of keys and of values, of all heads, and the number of heads."""
    values = sizes.expand * sizes.width
    return values // 2, values, heads_of(values, sizes.head_width, multiple=2)


def _of_linear_attention(sizes: MixerSizes, tokens: int) -> Layer:
    """Return the layers of a linear attention that its directions share: in_proj, the norm of a head, out_proj."""
    keys, values, heads = _keys_and_values(sizes)
    inputs = layers.linear(tokens, sizes.width, 2 * keys + 2 * values, bias=False)
    return inputs + layers.norm(values // heads) + layers.linear(tokens, values, sizes.width, bias=False)


def _inner_faults(sizes: MixerSizes) -> Iterator[Fault]:
    yield from _head_faults(sizes.expand * sizes.width, sizes.head_width, "inner width")


def _halved_faults(sizes: MixerSizes) -> Iterator[Fault]:
    """Yield the faults of a mixer with half as many features of the keys as of the values."""
    yield from _inner_faults(sizes)
    if sizes.expand * sizes.width % 2:
        yield Fault("backbone.config.width", str(sizes.width), "expand × width is odd, and keys have half of it")
    elif sizes.head_width is not None and sizes.head_width % 2:
        problem = "is odd, and the keys of a head have half of it"
        yield Fault("backbone.config.head_width", str(sizes.head_width), problem)


MIXERS = {
    "mamba": Mixer("backbones.layers.mamba:MambaMixer", ("d_state", "d_conv", "expand"), _mamba, _no_faults, ("scan",)),
    "mamba2": Mixer(
        "backbones.layers.mixers.mamba2:Mamba2Mixer",
        ("d_state", "d_conv", "expand", "head_width"),
        _mamba2,
        _inner_faults,
        ("state", "scan"),
    ),
    "gla": Mixer("backbones.layers.mixers.gla:GLAMixer", ("expand", "head_width"), _gla, _halved_faults, ("state",)),
    "gated-deltanet": Mixer(
        "backbones.layers.mixers.gated_deltanet:GatedDeltaNetMixer",
        ("d_conv", "expand", "head_width"),
        _gated_deltanet,
        _halved_faults,
        ("state", "scan"),
    ),
    "nc-ssd": Mixer(
        "backbones.layers.mixers.nc_ssd:NonCausalMixer", ("d_state", "expand", "head_width"), _nc_ssd, _inner_faults
    ),
    "attention": Mixer(
        "backbones.layers.mixers.attention:AttentionMixer", ("head_width",), _attention, _attention_faults
    ),
}
"""The mixers by name. Those that see no order are controls: a scan's order cannot matter to them."""
