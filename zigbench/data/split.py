"""Batches and splits: samples of a data set, taken by index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from zigbench.data.pixels import from_uint8
from zigbench.spec.files import sha256

Indices = Tensor | Sequence[int]


class Batch(NamedTuple):
    """Samples that go through the network together.

    Attributes:
        x: float32 (B, C, H, W) or (B, T, C, H, W), in [-1, 1] (latents: of unit scale).
        label: int64 (B,) in [0, classes), or None.
        context: float32 (B, tokens, width), or None.
    """

    x: Tensor
    label: Tensor | None = None
    context: Tensor | None = None


class AugmentationKey(NamedTuple):
    """Samples and the seed of their augmentation: flips, captions and stretches are functions of (seed, sample).

    Attributes:
        indices: of the samples.
        seed: of this visit to them.
    """

    indices: Indices
    seed: int


class Split(Protocol):
    """One part of a data set.

    A split whose samples vary (flips, a choice of captions) has an attribute ``varies`` that is true, and its ``batch``
    takes an :class:`AugmentationKey` too. One whose samples are not independent, as crops of few pictures, has an
    attribute ``groups``: for each sample the name of the picture that it is from. One with labels or texts has an
    attribute ``unlabelled_hash``: the content hash of its images without them, since a metric compares images.

    Attributes:
        name: of the data set.
        content_hash: SHA-256 of the samples, hexadecimal: equal for equal data, whatever they are called.
        resident: whether samples lie in memory, so that a batch costs next to nothing.
    """

    name: str
    content_hash: str
    resident: bool

    def __len__(self) -> int: ...

    def batch(self, indices: Indices) -> Batch:
        """Return the samples at ``indices``, each in [0, len), in that order, on the CPU."""
        ...


class TensorSplit:
    """A split that lies in memory as one tensor.

    Args:
        name: of the data set.
        x: float32 in [-1, 1], or uint8 of 0 to 255, which is mapped to [-1, 1] as a batch is taken; (N, C, H, W).
        label: int64 (N,), or None.
        context: float32 (N, tokens, width), or None.
        groups: N names of what each sample is a part of, or None.

    Raises:
        ValueError: labels, contexts or groups are not one a sample.
    """

    resident = True

    def __init__(
        self,
        name: str,
        x: Tensor,
        label: Tensor | None = None,
        context: Tensor | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        for kind, part in (("labels", label), ("contexts", context), ("groups", groups)):
            if part is not None and len(part) != len(x):
                raise ValueError(
                    f"the data set {name!r} has {len(x)} samples and {len(part)} {kind}; give one a sample"
                )
        self.name = name
        self.x = x
        self.label = label
        self.context = context
        self.groups = groups
        self.content_hash = content_hash(x, label, context)

    @cached_property
    def unlabelled_hash(self) -> str:
        """Content hash of the same images without labels and texts."""
        return self.content_hash if self.label is self.context is None else content_hash(self.x, None, None)

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Indices) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        x = self.x[chosen]
        if x.dtype == torch.uint8:
            x = from_uint8(x)
        label = None if self.label is None else self.label[chosen]
        return Batch(x, label, None if self.context is None else self.context[chosen])


def content_hash(*parts: Tensor | None) -> str:
    """Return the SHA-256 over the shapes, types and values of tensors on the CPU."""
    facts: list[str | memoryview] = []
    for part in parts:
        facts += ["none;"] if part is None else [f"{part.dtype}{tuple(part.shape)};", part.contiguous().numpy().data]
    return sha256(*facts)


def choose(splits: dict[str, Split], split: str) -> Split:
    """Return the split of that name.

    Raises:
        ValueError: there is none; says which there are.
    """
    if split not in splits:
        raise ValueError(f"no split {split!r}; there are {', '.join(map(repr, splits))}")
    return splits[split]
