"""The `chunked` backend of the matrix-valued states: matrix products over chunks of steps, on any device.

With S the state before a chunk, W the weights from step to step within it (:mod:`decays`), and values w to be written:

    o = q⁺ S + Wᵀ w,   S' = total · S + k⁻ᵀ w,   q⁺ = q · into,   k⁻ = k · out

as in Dao & Gu (2024), section 6, and Yang et al. (2023), section 4. Without the delta rule w = β v. With it each step
subtracts what the steps before it have written, which is the solution of a unit triangular system, the UT transform of
Yang et al. (2024):

    (I + M) w = β (v − k⁺ S),   M[i, j] = β_i k_i·k_j exp(g_{j+1} + … + g_i) for j < i,   k⁺ = k · into

The forward pass saves the states between chunks; the backward pass computes everything else of a chunk again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from backbones.ops.matrix_state.decays import LOWEST, RowDecay, SharedDecay, over_heads
from backbones.ops.matrix_state.inputs import StateInputs
from backbones.ops.matrix_state.reference import state_type

STEPS = 64
"""Steps of a chunk, a power of two; fewer for shorter sequences."""

_PIECE = 1 << 16
"""Numbers of one tensor that a thread of a CPU works on at once: a few such tensors fit into its cache."""


def available() -> str | None:
    """Return None: it runs on every machine with PyTorch."""
    return None


def saved_shape(inputs: StateInputs) -> tuple[int, ...]:
    """Return the shape of the saved states: one before each chunk."""
    batch, length, heads, values = inputs.v.shape
    return (batch, heads, -(-length // _chunk(length)), inputs.k.shape[-1], values)


def forward(inputs: StateInputs) -> tuple[Tensor, Tensor]:
    """Return o (batch, L, heads, V) and the states before each chunk."""
    o = torch.empty_like(inputs.v, memory_format=torch.contiguous_format)
    states = o.new_zeros(saved_shape(inputs), dtype=state_type(o))
    for samples, spans in _pieces(inputs):
        state = states[samples, :, 0]
        for rows, chunks in spans:
            x = _Chunks(inputs, samples, rows)
            before = states[samples, :, chunks]
            state, y = x.forward(state, before)
            o[samples, rows] = x.joined(y)
    return o, states


def backward(do: Tensor, inputs: StateInputs, states: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of q, k, v, log_decay and beta from that of o and the states before each chunk."""
    gradients = [
        None if x is None else torch.empty_like(x, memory_format=torch.contiguous_format) for x in inputs.tensors
    ]
    for samples, spans in _pieces(inputs):
        after = torch.zeros_like(states[samples, :, 0])
        for rows, chunks in reversed(spans):
            x = _Chunks(inputs, samples, rows)
            after, pieces = x.backward(x.cut(do[samples, rows]), states[samples, :, chunks], after)
            for gradient, piece in zip(gradients, pieces, strict=True):
                if gradient is not None and piece is not None:
                    target = gradient[samples, rows]
                    target.copy_(x.joined(piece).reshape(target.shape))
    return tuple(gradients)


def _chunk(length: int) -> int:
    """Return the steps of a chunk."""
    return min(STEPS, 1 << (length - 1).bit_length())


def _pieces(inputs: StateInputs) -> Iterator[tuple[slice, list[tuple[slice, slice]]]]:
    """Yield samples, and the rows and chunks of them that are computed at once: as many as a CPU's caches hold."""
    batch, length, heads, values = inputs.v.shape
    steps = _chunk(length)
    room = max(1, _PIECE * torch.get_num_threads() // (heads * steps * max(values, inputs.k.shape[-1], steps)))
    if inputs.v.device.type != "cpu":
        room = batch * -(-length // steps)
    samples = min(batch, room)
    chunks = room // samples
    spans = [
        (slice(first * steps, (first + chunks) * steps), slice(first, first + chunks))
        for first in range(0, -(-length // steps), chunks)
    ]
    for first in range(0, batch, samples):
        yield slice(first, first + samples), spans


class _Chunks:
    """A piece of the inputs cut into chunks, (batch, heads, chunks, steps, …), and what both passes compute from it."""

    def __init__(self, inputs: StateInputs, samples: slice, rows: slice) -> None:
        self.steps, self.kind, self.delta_rule = _chunk(inputs.v.shape[1]), state_type(inputs.v), inputs.delta_rule
        q, k, v, log_decay = (x[samples, rows] for x in inputs[:4])
        self.length = v.shape[1]
        self.q, self.k, self.v = self.cut(q), self.cut(k), self.cut(v)
        g = self.cut(log_decay).clamp_(min=LOWEST)
        self.decay: Any = (SharedDecay if g.shape[-1] == 1 else RowDecay)(g)
        self.beta = None if inputs.beta is None else self.cut(inputs.beta[samples, rows].unsqueeze(-1))
        self.q_in, self.k_out = self.q * self.decay.into, self.k * self.decay.out
        self.weights = self.decay.weights(self.q, self.k)
        self.w = self.v if self.beta is None else self.beta * self.v
        if self.delta_rule:
            assert self.beta is not None
            assert isinstance(self.decay, SharedDecay)
            self.overlaps = (self.k @ self.k.mT) * self.decay.pairs.triu(1)
            self.k_in = self.k * self.decay.into
            self.system = (self.overlaps * self.beta.mT).mT  # columns side by side, as the solver reads them
            self.erasures = self.solved(self.beta * self.k_in)
            self.w = self.solved(self.w)  # what is written if the state before the chunk is zero

    def cut(self, x: Tensor) -> Tensor:
        """Map (batch, rows, heads, …) to chunks, zeros behind the last step."""
        spare = -x.shape[1] % self.steps
        x = pad(x, (0, 0, 0, 0, 0, spare)) if spare else x
        return (
            x.unflatten(1, (-1, self.steps))
            .permute(0, 3, 1, 2, 4)
            .to(self.kind, copy=True, memory_format=torch.contiguous_format)
        )

    def joined(self, x: Tensor) -> Tensor:
        """Map chunks to (batch, rows, heads, …)."""
        return x.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, : self.length]

    def solved(self, right: Tensor, *, transposed: bool = False) -> Tensor:
        """Return the solution of (I + M) x = right, or of its transpose."""
        system = self.system.mT if transposed else self.system
        return torch.linalg.solve_triangular(system, right, upper=transposed, unitriangular=True)

    def forward(self, state: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Write the states before each chunk, from that before the first; return that behind the last, and o."""
        for chunk in range(before.shape[2]):
            before[:, :, chunk] = state
            w = self.w[:, :, chunk]
            if self.delta_rule:
                w -= self.erasures[:, :, chunk] @ state
            state = torch.addcmul(self.k_out[:, :, chunk].mT @ w, self.decay.total[:, :, chunk], state)
        return state, self.q_in @ before + self.weights.mT @ self.w

    def backward(self, do: Tensor, before: Tensor, behind: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """Return the gradient of the state before the first chunk, from that behind the last, and the inputs'."""
        w = self.w - self.erasures @ before if self.delta_rule else self.w
        dw, inflow = self.weights @ do, self.q_in.mT @ do
        after = torch.empty_like(before)
        for chunk in reversed(range(before.shape[2])):
            after[:, :, chunk] = behind
            outflow = torch.addcmul(inflow[:, :, chunk], self.decay.total[:, :, chunk], behind)
            if self.delta_rule:
                outflow -= self.erasures[:, :, chunk].mT @ (dw[:, :, chunk] + self.k_out[:, :, chunk] @ behind)
            behind = outflow
        dw += self.k_out @ after
        dq_in, dk_out, dtotal = do @ before.mT, w @ after.mT, (before * after).sum(-1, keepdim=True)
        dinto, dout = dq_in * self.q, dk_out * self.k
        dq, dk, pairs = self.decay.weights_gradient(w @ do.mT, self.weights, self.q, self.k)
        dq = dq + over_heads(dq_in * self.decay.into, dq)
        dk = dk + over_heads(dk_out * self.decay.out, dk)
        dbeta = None
        if self.delta_rule:
            assert self.beta is not None
            dw = self.solved(dw, transposed=True)
            dsystem = -(w @ dw.mT)
            dbeta = (dw * (self.v - self.k_in @ before)).sum(-1, keepdim=True)
            dbeta += (dsystem * self.overlaps).sum(-2).unsqueeze(-1)
            doverlaps = dsystem * self.beta.mT
            products = doverlaps * self.decay.pairs.triu(1)
            pairs = pairs + doverlaps * self.overlaps
            dk_in = -(self.beta * dw) @ before.mT
            dinto += dk_in * self.k
            dk = dk + over_heads((products + products.mT) @ self.k + dk_in * self.decay.into, dk)
        elif self.beta is not None:
            dbeta = (dw * self.v).sum(-1, keepdim=True)
        dv = dw if self.beta is None else dw * self.beta
        return behind, [dq, dk, dv, self.decay.gradient(dinto, dout, dtotal, pairs), dbeta]
