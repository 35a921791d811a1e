"""The interface of a feature extractor, and the features of a set of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from zigbench.evaluation.images import ImageSet, image_batches
from zigbench.spec.files import sha256


@runtime_checkable
class Extractor(Protocol):
    """A network that maps pixels to features.

    An extractor that reads whole clips, not their frames one by one, has an attribute ``clips`` that is true; its
    ``extract`` takes uint8 (B, T, C, H, W).

    Attributes:
        name: its name in protocols.
        sha256: SHA-256 of its weights.
        preparation: description of how pixels become its input: channels, resizing filter, scaling.
        provides: names of its features.
    """

    name: str
    sha256: str
    preparation: str
    provides: tuple[str, ...]

    def extract(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the features of uint8 (B, C, H, W): for each name, float32 (B, D)."""
        ...


@torch.no_grad()
def extract_features(
    extractor: Extractor, images: ImageSet, names: Iterable[str], *, batch: int = 128
) -> dict[str, Tensor]:
    """Return the named features of all images, each float32 (N, D) on the CPU.

    A clip gives a row for each of its frames; with an extractor of clips it gives one row.

    Raises:
        ValueError: the extractor has no such feature, a feature is not finite, or an extractor of clips gets images.
    """
    names = tuple(dict.fromkeys(names))
    for name in names:
        if name not in extractor.provides:
            known = ", ".join(extractor.provides)
            raise ValueError(f"the extractor {extractor.name!r} provides no feature {name!r} (it has: {known})")
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    for pixels in image_batches(images, batch, clips=reads_clips(extractor)):
        if reads_clips(extractor) and pixels.ndim != 5:
            raise ValueError(f"the extractor {extractor.name!r} reads clips (N, T, C, H, W), not images")
        extracted = extractor.extract(pixels)
        for name in names:
            parts[name].append(extracted[name].float().cpu())
    features = {name: torch.cat(rows) for name, rows in parts.items()}
    for name, values in features.items():
        if not torch.isfinite(values).all():
            raise ValueError(f"the feature {name!r} of {extractor.name!r} is not finite on some image")
    return features


def reads_clips(extractor: Extractor) -> bool:
    """Return whether an extractor reads whole clips."""
    return bool(getattr(extractor, "clips", False))


def three_channels(images: Tensor) -> Tensor:
    """Return grey images repeated to three channels, and colour images as they are.

    Raises:
        ValueError: the images have another number of channels.
    """
    channels = images.shape[1]
    if channels == 1:
        return images.expand(-1, 3, -1, -1)
    if channels != 3:
        raise ValueError(f"images have {channels} channels; extractors read 1 (grey) or 3 (colour)")
    return images


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over the names and bytes of tensors, for weights that are in no file."""
    parts: list[str | memoryview] = []
    for name in sorted(tensors):
        parts += [name, tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data]
    return sha256(*parts)
