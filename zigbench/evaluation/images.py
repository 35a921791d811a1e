"""From a network's range to pixels of 0 to 255: one way for samples and real images alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from zigbench.data.pixels import to_uint8


class ImageSet(Protocol):
    """Images that can be read in pieces."""

    def __len__(self) -> int: ...

    def images(self, start: int, stop: int) -> Tensor:
        """Images ``start`` to ``stop`` (exclusive), uint8 (n, C, H, W), or (n, T, C, H, W) for clips."""
        ...


class Real:
    """Real images of one split as pixels, decoded where the data are latents.

    Args:
        split: as a data set's loader gives it.
        decode: latents to images in [-1, 1]; None where the data are images.
    """

    def __init__(self, split: Any, decode: Any = None) -> None:
        self.split = split
        self.decode = decode

    def __len__(self) -> int:
        return len(self.split)

    def images(self, start: int, stop: int) -> Tensor:
        x = self.split.batch(range(start, stop)).x
        return to_uint8(x if self.decode is None else self.decode(x))


@dataclass(frozen=True)
class ReferenceImages:
    """The images that samples are compared with.

    Attributes:
        images: themselves.
        name: of the data set.
        which: split, and what is done with it, in words.
        content_hash: of the images or, where they are decoded, of the latents.
        decoder: what decodes, in words; None where nothing does.
    """

    images: ImageSet
    name: str
    which: str
    content_hash: str
    decoder: str | None = None


def reference_images(data: Any, reference: str) -> ReferenceImages:
    """The images of a data set that a spec's ``evaluation.reference`` names.

    Args:
        data: the data set's loader. Where the data are latents it has ``decode``, ``decoder`` and ``originals``.
        reference: ``train`` or ``held-out``: the split's own images, which for latents are the pictures they were made
            of; with ``-decoded`` behind it, what the latents decode to.

    Raises:
        ValueError: the pictures of latents are not to be found; data that are no latents are to be decoded.
    """
    split, decoded = reference.removesuffix("-decoded"), reference.endswith("-decoded")
    part = data.split(split)
    if not hasattr(data, "decode"):
        if decoded:
            raise ValueError(f"evaluation.reference is {reference!r}, but {part.name} is not made of latents: {split}")
        return ReferenceImages(Real(part), part.name, split, part.content_hash)
    if decoded:
        real = Real(part, data.decode)
        return ReferenceImages(real, part.name, f"{split}, latents decoded", part.content_hash, str(data.decoder))
    originals = data.originals(split)
    return ReferenceImages(originals, part.name, f"{split}, {originals.treatment}", originals.content_hash)


def pieces(images: ImageSet, size: int, *, whole: bool = False) -> Iterator[Tensor]:
    """All images in order, ``size`` at a time; clips come as their frames, or whole."""
    for start in range(0, len(images), size):
        piece = images.images(start, min(start + size, len(images)))
        yield piece if whole else piece.reshape(-1, *piece.shape[-3:])
