"""Decays within chunks of steps, and the weights with which earlier steps of a chunk enter later ones.

Sums of logarithms are taken over the very steps that a factor spans, never as a difference of two longer sums, and no
factor is divided by another: a decay of any size, however far below the smallest number, costs no precision.

Both classes take the logarithms g (…, steps, K or 1), a chunk's steps being a power of two, and have

    into: exp of the sum of g from the chunk's start to each step, itself included (…, steps, K or 1)
    out: exp of the sum of g behind each step to the chunk's end
    total: exp of the sum of g over the chunk (…, K or 1, 1)
    weights(q, k): W[j, i] = Σ_K q_i k_j exp(g_{j+1} + … + g_i) for j ≤ i, else 0 (…, steps, steps)
    weights_gradient(dW, W, q, k): the gradients of q and k, and what `gradient` takes
    gradient(dinto, dout, dtotal, pairs): the gradient of g from those of into, out and total
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

LOWEST = -1e4
"""Logarithms are clamped here: e^-10000 is zero in every type, and sums remain finite."""


class SharedDecay:
    """Decays that all rows of a state share: every pair of steps has one factor."""

    def __init__(self, g: Tensor) -> None:
        spans = g.mT.expand(*g.shape[:-1], g.shape[-2]).triu(1).cumsum(-1)
        self.into = g.cumsum(-2).exp()
        self.out = spans[..., -1:].exp()
        self.total = self.into[..., -1:, :]
        self.pairs = spans.exp_().triu_()

    def weights(self, q: Tensor, k: Tensor) -> Tensor:
        return (k @ q.mT) * self.pairs

    def weights_gradient(self, dW: Tensor, W: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        products = over_heads(dW * self.pairs, q)
        return products.mT @ k, products @ q, dW * W

    def gradient(self, dinto: Tensor, dout: Tensor, dtotal: Tensor, pairs: Tensor) -> Tensor:
        ones = torch.ones(pairs.shape[-2:], dtype=pairs.dtype, device=pairs.device)
        dinto = (dinto * self.into).sum(-1, keepdim=True)
        dout = (dout * self.out).sum(-1, keepdim=True)
        across = (pairs @ ones.tril()).triu_(1).sum(-2).unsqueeze(-1)
        return across + ones.triu() @ dinto + ones.tril(-1) @ dout + (dtotal * self.total).sum(-2, keepdim=True)


class RowDecay:
    """Decays of their own for every row of a state: a weight is a sum over rows that no product of factors splits.

    It is split where it is safe: a step in the second half of a block meets one in the first half by the decay from the
    middle to the one and from the other to the middle. Blocks are halved until one step is left.
    """

    def __init__(self, g: Tensor) -> None:
        self.prefix, self.suffix = g.clone(), torch.zeros_like(g)
        self.levels = [(second.exp(), first.exp()) for second, first in self._merged()]
        self.into, self.out = self.prefix.exp_(), self.suffix.exp_()
        self.total = self.into[..., -1:, :].mT

    def _merged(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the sums to each step of a second half and behind each of a first, and join ever longer blocks."""
        size = 1
        while size < self.prefix.shape[-2]:
            prefixes, suffixes = halves(self.prefix, size), halves(self.suffix, size)
            yield prefixes[1], suffixes[0]
            suffixes[0].add_(prefixes[1][..., -1:, :])
            prefixes[1].add_(prefixes[0][..., -1:, :])
            size *= 2

    def weights(self, q: Tensor, k: Tensor) -> Tensor:
        W = torch.diag_embed((q * k).sum(-1))
        for level, (second, first) in enumerate(self.levels):
            later, earlier = halves(q, 2**level)[1] * second, halves(k, 2**level)[0] * first
            squares(W, 2**level).copy_((earlier @ later.mT).movedim(-3, -1))
        return W

    def weights_gradient(
        self, dW: Tensor, W: Tensor, q: Tensor, k: Tensor
    ) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        diagonal = dW.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
        dq, dk = diagonal * k, diagonal * q
        sums = []
        for level, (second, first) in enumerate(self.levels):
            later, earlier = halves(q, 2**level)[1] * second, halves(k, 2**level)[0] * first
            block = squares(dW, 2**level).movedim(-1, -3)
            dlater, dearlier = block.mT @ earlier, block @ later
            halves(dq, 2**level)[1].addcmul_(dlater, second)
            halves(dk, 2**level)[0].addcmul_(dearlier, first)
            sums.append((dlater.mul_(later), dearlier.mul_(earlier)))
        return dq, dk, sums

    def gradient(self, dinto: Tensor, dout: Tensor, dtotal: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Go through the joins backwards: what a sum receives, its parts receive."""
        prefix, suffix = dinto * self.into, dout * self.out
        prefix[..., -1:, :] += (dtotal * self.total).mT
        for level in reversed(range(len(self.levels))):
            prefixes, suffixes = halves(prefix, 2**level), halves(suffix, 2**level)
            prefixes[0][..., -1, :] += prefixes[1].sum(-2)
            prefixes[1][..., -1, :] += suffixes[0].sum(-2)
            prefixes[1].add_(pairs[level][0])
            suffixes[0].add_(pairs[level][1])
        return prefix


def halves(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the first and second halves of the blocks of 2 · size steps, (…, blocks, size, K): views."""
    return x.unflatten(-2, (-1, 2, size)).unbind(-3)


def squares(W: Tensor, size: int) -> Tensor:
    """Return the weights from first to second halves, (…, size, size, blocks): a view."""
    blocks = W.unflatten(-1, (-1, 2 * size)).unflatten(-3, (-1, 2 * size)).diagonal(dim1=-4, dim2=-2)
    return blocks[..., :size, size:, :]


def over_heads(x: Tensor, wanted: Tensor) -> Tensor:
    """Return x (batch, heads, …) summed over the heads where ``wanted`` is shared by them."""
    return x.sum(1, keepdim=True) if wanted.shape[1] < x.shape[1] else x
