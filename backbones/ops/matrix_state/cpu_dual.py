"""The backward pass of the `cpu` backend where heads share keys and rows share a decay: chunks as matrix products.

The dual form of Dao & Gu (2024, section 6). With H the state before a chunk, dH the gradient of the one behind it, W =
β v, M[i, j] = q_i·k_j times the decay from step j to step i, and each step's decay from the chunk's start (into) and to
its end (out):

    dW = Mᵀ do + out · (k dH),   dG = Σ over heads of (do Wᵀ) · decays,   dq = dG k + (into · do) Hᵀ,
    dk = dGᵀ q + (out · W) dHᵀ,   gradient of H = total · dH + qᵀ (into · do)

Products over all heads at once are the fastest that a processor does; the rest is in :mod:`cpu_dual_kernels`. No factor
is divided by another, so that a decay of any size is exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from backbones.ops.cpu.vector import LANES
from backbones.ops.cpu.workers import run
from backbones.ops.matrix_state import cpu_dual_kernels as kernels
from backbones.ops.matrix_state.cpu_kernels import CHUNK

_CHUNKS = (4, 3, 2, 1)
"""Numbers of chunks that may be computed at once: more do not fit into a processor's caches."""


class Rows(NamedTuple):
    """The inputs by rows of steps, or their gradients: float32.

    Attributes:
        q, k: (…, L, K), shared by the heads.
        v: (…, L, heads, V), the numbers of a row side by side.
        a: (…, L, heads), the decays; as a gradient that of their logarithms.
        beta: (…, L, heads), or None.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    a: Tensor
    beta: Tensor | None

    def padded(self, spare: int) -> Rows:
        """Return them with rows of zeros behind the last step."""
        edges = [(0, 0, 0, spare), (0, 0, 0, spare), (0, 0, 0, 0, 0, spare), (0, 0, 0, spare), (0, 0, 0, spare)]
        return Rows._make(None if x is None else pad(x, edge) for x, edge in zip(self, edges, strict=True))

    def part(self, *index: Any) -> Rows:
        """Return some of their samples and steps."""
        return Rows._make(None if x is None else x[index] for x in self)


def backward(do: Tensor, inputs: Rows, states: Tensor) -> Rows:
    """Return the gradients of the inputs.

    Args:
        do: the gradient of o, (batch, L, heads, V).
        inputs: of (batch, L, …).
        states: before each chunk, (batch, heads, V / lanes, chunks, K, lanes).
    """
    batch, length, heads, values = inputs.v.shape
    if spare := -length % CHUNK:
        inputs, do = inputs.padded(spare), pad(do, (0, 0, 0, 0, 0, spare))
    beta = None if inputs.beta is None else inputs.beta.contiguous()
    inputs, do = inputs._replace(a=inputs.a.contiguous(), beta=beta), do.contiguous()
    gradients = Rows._make(None if x is None else x.new_empty(x.shape) for x in inputs)
    chunks, keys = states.shape[3:5]
    span = _Span(do, keys, next(count for count in _CHUNKS if chunks % count == 0))
    for sample in range(batch):
        behind = do.new_zeros(keys, heads * values)
        for first in reversed(range(0, chunks, span.chunks)):
            steps = slice(first * CHUNK, (first + span.chunks) * CHUNK)
            before = states[sample, :, :, first : first + span.chunks]
            rows = inputs.part(sample, steps)
            behind = span.backward(do[sample, steps], rows, before, behind, gradients.part(sample, steps))
    return gradients.part(slice(None), slice(length))


class _Span:
    """Room for what is computed of a few chunks of a sample at once, used again for the next ones.

    Args:
        do: of (batch, L, heads, V).
        keys: K.
        chunks: number of chunks.
    """

    def __init__(self, do: Tensor, keys: int, chunks: int) -> None:
        _, _, self.heads, self.values = do.shape
        self.chunks, self.keys = chunks, keys
        rows, states = (chunks, CHUNK, self.heads * self.values), (chunks, keys, self.heads * self.values)
        self.written, self.out_written, self.do_in, self.outer, self.read = (do.new_empty(rows) for _ in range(5))
        self.before, self.behind, self.inflow = (do.new_empty(states) for _ in range(3))
        self.products, self.dproducts = (do.new_empty(chunks, CHUNK, CHUNK) for _ in range(2))
        self.weights, self.dweights = (do.new_empty(chunks, self.heads, CHUNK, CHUNK) for _ in range(2))
        self.inner = do.new_empty(chunks, self.heads, CHUNK, self.values)
        self.into, self.out = (do.new_empty(chunks * CHUNK, self.heads) for _ in range(2))

    def backward(self, do: Tensor, x: Rows, before: Tensor, behind: Tensor, target: Rows) -> Tensor:
        """Write the gradients of the inputs, and return that of the state before the first chunk.

        Args:
            do, x: rows of these chunks.
            before: the states before each, (heads, V / lanes, chunks, K, lanes).
            behind: the gradient of the state behind the last, (K, heads · V).
            target: rows of the gradients.
        """
        q, k, do = (rows.reshape(self.chunks, CHUNK, -1) for rows in (x.q, x.k, do))
        self._take(before)
        torch.bmm(q, k.mT, out=self.products)
        places = {kernels.A: x.a, kernels.BETA: x.beta, kernels.V: x.v, kernels.DO: do, kernels.G: self.products}
        places |= {kernels.M: self.weights, kernels.W: self.written, kernels.W_OUT: self.out_written}
        places |= {kernels.DO_IN: self.do_in, kernels.INTO: self.into, kernels.OUT: self.out}
        self._run(kernels.weigh, self.chunks * self.heads, places)

        torch.bmm(q.mT, self.do_in, out=self.inflow)
        totals = self.into[CHUNK - 1 :: CHUNK].repeat_interleave(self.values, dim=1)
        for chunk in reversed(range(self.chunks)):
            self.behind[chunk] = behind
            behind = torch.addcmul(self.inflow[chunk], totals[chunk], behind)

        for chunk in range(self.chunks):
            do_by_head, written = self._by_head(do[chunk]), self._by_head(self.written[chunk])
            torch.bmm(self.weights[chunk].mT, do_by_head, out=self.inner[chunk])
            torch.bmm(do_by_head, written.mT, out=self.dweights[chunk])
        places |= {kernels.DM: self.dweights, kernels.DG: self.dproducts, kernels.DA: target.a}
        self._run(kernels.unweigh, self.chunks, places)

        dq, dk = target.q.view(q.shape), target.k.view(k.shape)
        torch.bmm(self.do_in, self.before.mT, out=dq).baddbmm_(self.dproducts, k)
        torch.bmm(self.out_written, self.behind.mT, out=dk).baddbmm_(self.dproducts.mT, q)
        torch.bmm(k, self.behind, out=self.outer)
        torch.bmm(q, self.before, out=self.read)
        places |= {kernels.INNER: self.inner, kernels.OUTER: self.outer, kernels.READ: self.read}
        places |= {kernels.STATE: self.before, kernels.BEHIND: self.behind}
        places |= {kernels.DV: target.v, kernels.DBETA: target.beta}
        self._run(kernels.finish, self.chunks * self.heads, places)
        return behind

    def _take(self, before: Tensor) -> None:
        """Copy the states to (chunks, K, heads · V)."""
        target = self.before.view(self.chunks, self.keys, self.heads, self.values)
        for group, lanes in enumerate(before.permute(1, 2, 3, 0, 4)):
            part = target[..., group * LANES : (group + 1) * LANES]
            part.copy_(lanes[..., : part.shape[-1]])

    def _by_head(self, rows: Tensor) -> Tensor:
        """Return rows (CHUNK, heads · V) as (heads, CHUNK, V): a view."""
        return rows.unflatten(1, (self.heads, self.values)).transpose(0, 1)

    def _run(self, kernel: Any, tasks: int, tensors: dict[int, Tensor | None]) -> None:
        places = [0] * kernels.ARGUMENTS
        places[kernels.HEADS], places[kernels.VALUES], places[kernels.KEYS] = self.heads, self.values, self.keys
        for place, tensor in tensors.items():
            places[place] = 0 if tensor is None else tensor.data_ptr()
            if place == kernels.V and tensor is not None:
                places[kernels.V_STEP], places[kernels.V_HEAD] = tensor.stride()[:2]
        run(kernel, places[2:], tasks, self.weights.numel() + self.inner.numel())
