"""The `cpu` backend of the matrix-valued states: numba kernels behind plain tensors, no compiler to install.

Everything is computed in float32; other types are converted at the edge.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, threshold

from backbones.ops.cpu.vector import LANES
from backbones.ops.cpu.workers import run
from backbones.ops.matrix_state import cpu_kernels
from backbones.ops.matrix_state.cpu_kernels import CHUNK, ROWS
from backbones.ops.matrix_state.inputs import StateInputs

_NOTHING = 1e-24
"""Decays below are zero: products with subnormal numbers cost a microcode assist each."""


def available() -> str | None:
    """Return None: the imports above are all it needs."""
    return None


def saved_shape(inputs: StateInputs) -> tuple[int, ...]:
    """Return the shape of the saved states: one before each chunk, LANES columns side by side."""
    batch, length, heads, values = inputs.v.shape
    return (batch, heads, -(-values // LANES), -(-length // CHUNK), _padded(inputs.k.shape[3]), LANES)


def forward(inputs: StateInputs) -> tuple[Tensor, Tensor]:
    """Return o (batch, L, heads, V) and the states before each chunk."""
    call = _Call(inputs)
    o = torch.empty_like(inputs.v, dtype=torch.float32, memory_format=torch.contiguous_format)
    states = o.new_empty(saved_shape(inputs))
    call.run(cpu_kernels.forward, [o, *[None] * 6], states)
    return o.to(inputs.v.dtype), states


def backward(do: Tensor, inputs: StateInputs, states: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of q, k, v, log_decay and beta from that of o and the states before each chunk."""
    call = _Call(inputs)
    dv = torch.empty_like(inputs.v, dtype=torch.float32, memory_format=torch.contiguous_format)
    size = (call.groups, *inputs.v.shape[:3])
    dq, dk = (dv.new_zeros((*size, call.q.shape[3])) for _ in range(2))
    da, dbeta = dv.new_zeros((*size, call.a.shape[3])), dv.new_zeros((*size, 1))
    call.run(cpu_kernels.backward, [None, _rows(do), dq, dk, dv, da, dbeta], states)
    sums = (_joined(x, like) for x, like in zip((dq, dk, da), (inputs.q, inputs.k, inputs.log_decay), strict=True))
    dq, dk, dg = sums
    beta = None if inputs.beta is None else _joined(dbeta, inputs.beta.unsqueeze(-1)).squeeze(-1)
    return dq, dk, dv.to(inputs.v.dtype), dg, beta


class _Call:
    """The inputs of one call in the form the kernels read, kept alive while they run."""

    def __init__(self, inputs: StateInputs) -> None:
        self.q, self.k, self.v = _keyed(_rows(inputs.q)), _keyed(_rows(inputs.k)), _rows(inputs.v)
        decays = threshold(inputs.log_decay.float().exp(), _NOTHING, 0.0)
        self.a = (_keyed(decays) if decays.shape[3] > 1 else decays).contiguous()
        self.beta = None if inputs.beta is None else inputs.beta.float().unsqueeze(-1)
        self.delta_rule = inputs.delta_rule
        self.groups = -(-self.v.shape[3] // LANES)

    def run(self, kernel: object, results: list[Tensor | None], states: Tensor) -> None:
        """Call a kernel on these inputs, o, do, dq, dk, dv, da and dbeta."""
        batch, length, heads, values = self.v.shape
        packed = [part for x in (self.q, self.k, self.v, self.a, self.beta, *results) for part in _places(x)]
        packed += [states.data_ptr(), length, heads, self.q.shape[3], values, states.shape[3], self.groups]
        packed += [int(self.delta_rule), batch, 4 if self.a.shape[3] > 1 else 0]
        run(kernel, packed, batch * heads * self.groups, self.v.numel() * self.q.shape[3])


def _padded(keys: int) -> int:
    """Return the number of rows in the kernels: rounded up, with q = k = 0 for the added ones."""
    return -(-keys // ROWS) * ROWS


def _keyed(x: Tensor) -> Tensor:
    """Return x (…, K) with zeros up to the padded number of rows."""
    spare = _padded(x.shape[3]) - x.shape[3]
    return pad(x, (0, spare)) if spare else x


def _rows(x: Tensor) -> Tensor:
    """Return x as float32, the entries of a row side by side."""
    x = x.float()
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def _places(x: Tensor | None) -> list[int]:
    """Return address and strides of (batch, L, heads, …), of the first group of columns; zeros for an absent tensor."""
    if x is None:
        return [0] * 4
    sample, step, head = (4 * stride for stride in x.stride()[-4:-1])
    return [x.data_ptr(), sample, step, head if x.shape[-2] > 1 else 0]


def _joined(x: Tensor, like: Tensor) -> Tensor:
    """Return a gradient (groups, batch, L, heads, …) summed over the groups, and over the heads that share ``like``."""
    x = x[0] if x.shape[0] == 1 else x.sum(0)
    if like.shape[2] < x.shape[2]:
        x = x.sum(2, keepdim=True)
    return x[..., : like.shape[3]].to(like.dtype).contiguous()
