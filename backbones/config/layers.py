"""The closed form of every layer: its parameters and its work on one sample, without torch.

Each function describes the layer of the same name in ``backbones.layers``; a config adds them up. Matrix products,
convolutions, attention and the scan are counted; a multiplication and an addition are two operations. Work that is done
once a feature (norms, gates, activations) is not counted, as in the published tables. Tests compare the parameters with
built networks and the operations with torch's counter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from zigbench.spec import Cost, Geometry, Position

NOTHING = Cost(0, 0, 0, 0)
TIME_FREQUENCIES = 256
"""Sinusoids in front of the time MLP of DiT, SiT and ZigMa."""


@dataclass(frozen=True)
class Layer:
    """One layer or several together.

    Attributes:
        parameters: frozen ones included.
        cost: work on one sample with every condition given; the reading of the weights is not in it.
    """

    parameters: int
    cost: Cost = NOTHING

    def __add__(self, other: Layer) -> Layer:
        return Layer(self.parameters + other.parameters, self.cost + other.cost)

    def __mul__(self, times: int) -> Layer:
        return Layer(self.parameters * times, self.cost * times)


EMPTY = Layer(0)


def linear(rows: int, inputs: int, outputs: int, *, bias: bool = True) -> Layer:
    """Return a linear map of so many rows."""
    weights = inputs * outputs + (outputs if bias else 0)
    return Layer(weights, Cost(2 * rows * inputs * outputs, 0, 0, rows * (inputs + outputs)))


def depthwise_conv(tokens: int, channels: int, taps: int, *, bias: bool = True) -> Layer:
    """Return a depthwise convolution."""
    cost = Cost(0, conv_flops(1, tokens, channels, taps), 0, 2 * tokens * channels)
    return Layer(channels * (taps + bias), cost)


def conv_flops(batch: int, length: int, channels: int, taps: int) -> int:
    """Return the operations of a depthwise convolution: a multiplication and an addition a tap."""
    return 2 * batch * length * channels * taps


def scan(tokens: int, channels: int, states: int, *, gate: bool) -> Layer:
    """Return a selective scan with its A_log and D."""
    flops = scan_flops(1, tokens, channels, states, gate=gate)
    # u, Δ and y, the gate where it is inside; B and C.
    values = (3 + gate) * tokens * channels + 2 * tokens * states
    return Layer(channels * (states + 1), Cost(0, flops, tokens * channels * states, values))


def scan_flops(batch: int, length: int, channels: int, states: int, *, skip: bool = True, gate: bool = True) -> int:
    """Return the operations of a selective scan: 9 a state, one more for D and for the gate.

    The field's count (VMamba's and ZigMa's counters use it too): ΔA, its exponential, ΔB u, the update of the
    state and its product with C.
    """
    return batch * length * channels * (9 * states + skip + gate)


def matrix_state(
    tokens: int,
    heads: int,
    keys: int,
    values: int,
    *,
    decays: int,
    shared_keys: bool = False,
    delta_rule: bool = False,
) -> Layer:
    """Return a recurrence with a matrix-valued state, which has no parameters.

    Args:
        tokens: rows that it steps along.
        heads, keys, values: heads, and a head's features of keys and of values.
        decays: decays a token, of all heads.
        shared_keys: whether the heads have one key and one query between them.
        delta_rule: whether what the state holds at a key is subtracted before it is written.
    """
    flops = matrix_state_flops(1, tokens, heads, keys, values, delta_rule=delta_rule)
    # Queries and keys, values and outputs, the decays.
    traffic = tokens * (2 * keys * (1 if shared_keys else heads) + 2 * heads * values + decays)
    return Layer(0, Cost(0, flops, tokens * decays, traffic))


def matrix_state_flops(batch: int, length: int, heads: int, keys: int, values: int, *, delta_rule: bool = False) -> int:
    """Return the operations of a recurrence with a state of keys × values a head: 5 an entry, 2 more for a delta rule.

    The decay, the product of key and value and its addition, the product with the query and its sum. A delta rule reads
    the state at the key too. These are the recurrence's; a chunked form may do more of them.
    """
    return batch * length * heads * keys * values * (7 if delta_rule else 5)


def dt_rank(width: int) -> int:
    """Return the rank of Δ's projection: ceil(width / 16), as in Mamba."""
    return math.ceil(width / 16)


def scan_branch(tokens: int, width: int, *, d_state: int, d_conv: int, expand: int, gate: bool = False) -> Layer:
    """Return one direction of a mixer: convolution, x_proj, Δ_proj, scan."""
    inner, rank = expand * width, dt_rank(width)
    projections = linear(tokens, inner, rank + 2 * d_state, bias=False) + linear(tokens, rank, inner)
    return depthwise_conv(tokens, inner, d_conv) + projections + scan(tokens, inner, d_state, gate=gate)


def mixer(tokens: int, width: int, directions: int, *, d_state: int, d_conv: int, expand: int) -> Layer:
    """Return a Mamba mixer: in_proj and out_proj shared by its directions."""
    inner = expand * width
    # Several directions share one gate, which is then applied outside of the scans.
    branch = scan_branch(tokens, width, d_state=d_state, d_conv=d_conv, expand=expand, gate=directions == 1)
    shared = linear(tokens, width, 2 * inner, bias=False) + linear(tokens, inner, width, bias=False)
    return shared + branch * directions


def _products(tokens: int, others: int, width: int, heads: int) -> Layer:
    """Return the scores of ``tokens`` queries with ``others`` keys, the softmax and the weighted sum of the values.

    One pass over queries, keys and values, as fused kernels compute it, with one exponential a pair and head.
    """
    return Layer(0, Cost(4 * tokens * others * width, 0, tokens * others * heads, 2 * (tokens + others) * width))


def global_state(tokens: int, channels: int, states: int) -> Layer:
    """Return the sum of all tokens' outer products with their B, and its product with each token's C."""
    values = 2 * (tokens * (channels + states) + channels * states)
    return Layer(0, Cost(4 * tokens * channels * states, 0, 0, values))


def attention(tokens: int, width: int, heads: int, *, qkv_bias: bool, groups: int = 1) -> Layer:
    """Return self-attention within each of so many equal groups of the tokens."""
    products = _products(tokens // groups, tokens // groups, width, heads) * groups
    return linear(tokens, width, 3 * width, bias=qkv_bias) + products + linear(tokens, width, width)


def cross_attention(tokens: int, geometry: Geometry, width: int, heads: int, head_width: int) -> Layer:
    """Return cross-attention to the text of a geometry; nothing where it has none."""
    if geometry.context is None:
        return EMPTY
    text, inner = geometry.context[0], heads * head_width
    query, keys = linear(tokens, width, inner, bias=False), linear(text, width, inner, bias=False)
    return query + keys * 2 + _products(tokens, text, inner, heads) + linear(tokens, inner, width)


def mlp(rows: int, width: int, ratio: float) -> Layer:
    """Return two linear maps with ``ratio · width`` hidden units."""
    hidden = int(ratio * width)
    return linear(rows, width, hidden) + linear(rows, hidden, width)


def norm(width: int, *, bias: bool = False) -> Layer:
    """Return an RMSNorm, or with a bias a LayerNorm."""
    return Layer(2 * width if bias else width)


def modulation(width: int, parts: int) -> Layer:
    """Return the linear map from the condition to shifts, scales and gates."""
    return linear(1, width, parts * width)


def patch_embedding(geometry: Geometry, width: int) -> Layer:
    """Return the linear map of each patch to a token."""
    return linear(geometry.tokens, geometry.channels * geometry.patch**2, width)


def head(geometry: Geometry, width: int, *, learned_sigma: bool) -> Layer:
    """Return the linear map of each token to a patch of the output."""
    return linear(geometry.tokens, width, geometry.patch**2 * geometry.channels * (2 if learned_sigma else 1))


def position(kind: Position, places: int, width: int, depth: int) -> Layer:
    """Return the position embedding of so many places; the frozen sinusoid counts, as in DiT's published figures."""
    return Layer({"none": 0, "sincos": 1, "learned": 1, "per-layer": depth}[kind] * places * width)


def label_rows(classes: int | None, label_dropout: float) -> int:
    """Return the rows of the label table: the classes, and one for no label where labels are dropped."""
    return 0 if classes is None else classes + (label_dropout > 0)


def label_table(geometry: Geometry, width: int, label_dropout: float) -> Layer:
    """Return the label table."""
    return Layer(label_rows(geometry.classes, label_dropout) * width)


def text_projection(geometry: Geometry, width: int) -> Layer:
    """Return the linear map of the text tokens to the width; nothing where there is no text."""
    return EMPTY if geometry.context is None else linear(*geometry.context, width)


def time_mlp(width: int) -> Layer:
    """Return the time MLP of the adaLN families."""
    return linear(1, TIME_FREQUENCIES, width) + linear(1, width, width)


def interval(width: int, times: int) -> Layer:
    """Return the time MLP of an interval's length; nothing in a network of one time input."""
    return time_mlp(width) if times == 2 else EMPTY


def conditioning(geometry: Geometry, width: int, *, label_dropout: float, times: int = 1) -> Layer:
    """Return the time MLPs, the label table and the text projection of the adaLN families."""
    time = time_mlp(width) + interval(width, times)
    return time + label_table(geometry, width, label_dropout) + text_projection(geometry, width)
