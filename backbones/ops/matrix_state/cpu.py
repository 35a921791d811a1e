"""The `cpu` backend of the matrix-valued states: numba kernels behind plain tensors, no compiler to install.

Everything is computed in float32; other types are converted at the edge.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, threshold

from backbones.ops.cpu.vector import LANES
from backbones.ops.cpu.workers import run
from backbones.ops.matrix_state import cpu_dual, cpu_kernels
from backbones.ops.matrix_state.cpu_dual import Rows
from backbones.ops.matrix_state.cpu_kernels import CHUNK, ROWS
from backbones.ops.matrix_state.inputs import StateInputs

_NOTHING = 1e-24
"""Decays below are zero: products with subnormal numbers cost a microcode assist each."""

_TASKS = 16
"""Desired tasks of a backward pass."""


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
    call.run(cpu_kernels.forward, [o, *[None] * 6], states, call.heads * call.groups)
    return o.to(inputs.v.dtype), states


def backward(do: Tensor, inputs: StateInputs, states: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of q, k, v, log_decay and beta from that of o and the states before each chunk."""
    call, shape = _Call(inputs), inputs.v.shape[:3]
    if call.dual:
        return _dual_backward(do, inputs, call, states)
    parts = min(call.heads, -(-_TASKS // shape[0]))  # each has its own sums over the heads that share q and k
    dv = torch.empty_like(inputs.v, dtype=torch.float32, memory_format=torch.contiguous_format)
    dq, dk = (dv.new_zeros((parts if x.shape[2] < call.heads else 1, *x.shape)) for x in (call.q, call.k))
    da, dbeta = dv.new_zeros((*shape, call.a.shape[3])), dv.new_zeros((*shape, 1))
    call.run(cpu_kernels.backward, [None, _rows(do), dq, dk, dv, da, dbeta], states, parts)
    pairs = zip((dq, dk, dv[None], da[None]), inputs[:4], strict=True)
    gradients = [
        (x[0] if len(x) == 1 else x.sum(0))[..., : like.shape[3]].to(like.dtype).contiguous() for x, like in pairs
    ]
    return (*gradients, None if inputs.beta is None else dbeta.squeeze(3).to(inputs.beta.dtype))


def _dual_backward(do: Tensor, inputs: StateInputs, call: _Call, states: Tensor) -> tuple[Tensor | None, ...]:
    beta = None if call.beta is None else call.beta[..., 0]
    rows = Rows(call.q[:, :, 0], call.k[:, :, 0], call.v, call.a[..., 0], beta)
    dq, dk, dv, da, dbeta = cpu_dual.backward(_rows(do), rows, states)
    gradients = (*(x[..., : inputs.k.shape[3]].unsqueeze(2) for x in (dq, dk)), dv, da.unsqueeze(3), dbeta)
    pairs = zip(gradients, inputs.tensors, strict=True)
    return tuple(None if x is None or like is None else x.to(like.dtype).contiguous() for x, like in pairs)


class _Call:
    """The inputs of one call in the form the kernels read, kept alive while they run."""

    def __init__(self, inputs: StateInputs) -> None:
        self.q, self.k, self.v = _keyed(_rows(inputs.q)), _keyed(_rows(inputs.k)), _rows(inputs.v)
        decays = threshold(inputs.log_decay.float().exp(), _NOTHING, 0.0)
        self.a = (_keyed(decays) if decays.shape[3] > 1 else decays).contiguous()
        self.beta = None if inputs.beta is None else inputs.beta.float().unsqueeze(-1)
        self.delta_rule = inputs.delta_rule
        self.heads, self.groups = self.v.shape[2], -(-self.v.shape[3] // LANES)

    @property
    def dual(self) -> bool:
        """Return whether matrix products pay in the backward pass: with as many keys as a chunk has steps."""
        shared = self.q.shape[2] == self.k.shape[2] == self.a.shape[3] == 1 and not self.delta_rule
        return shared and self.q.shape[3] >= CHUNK and self.v.shape[1] >= CHUNK

    def run(self, kernel: object, results: list[Tensor | None], states: Tensor, parts: int) -> None:
        """Call a kernel on these inputs, o, do, dq, dk, dv, da and dbeta, in so many parts of a sample."""
        batch, length, heads, values = self.v.shape
        packed = [part for x in (self.q, self.k, self.v, self.a, self.beta, *results) for part in _places(x)]
        packed += [states.data_ptr(), length, heads, self.q.shape[3], values, states.shape[3], self.groups]
        packed += [int(self.delta_rule), batch, parts, 4 if self.a.shape[3] > 1 else 0]
        run(kernel, packed, batch * parts, self.v.numel() * self.q.shape[3])


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
    """Return address and strides of (batch, L, heads, …), of its first part; zeros for an absent tensor."""
    if x is None:
        return [0] * 4
    sample, step, head = (4 * stride for stride in x.stride()[-4:-1])
    return [x.data_ptr(), sample, step, head if x.shape[-2] > 1 else 0]
