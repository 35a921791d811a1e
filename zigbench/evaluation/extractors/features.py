"""Feature extractors: what they promise, and how a set of images goes through one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from zigbench.evaluation.images import ImageSet, pieces
from zigbench.spec.files import sha256


@runtime_checkable
class Extractor(Protocol):
    """A network that turns pixels into features.

    One that reads whole clips, and not their frames by themselves, has an attribute ``clips`` that is true: its
    ``extract`` takes uint8 (B, T, C, H, W).

    Attributes:
        name: what it is called in protocols.
        sha256: of its weights.
        preparation: how pixels become its input, in words: channels, resizing filter, scaling.
        provides: names of its features.
    """

    name: str
    sha256: str
    preparation: str
    provides: tuple[str, ...]

    def extract(self, images: Tensor) -> Mapping[str, Tensor]:
        """Features of uint8 (B, C, H, W): for each name, float32 (B, D)."""
        ...


@torch.no_grad()
def features_of(
    extractor: Extractor, images: ImageSet, wanted: Iterable[str], *, batch: int = 128
) -> dict[str, Tensor]:
    """Features of all images, float32 (N, D) on the CPU, for each wanted name.

    A clip counts as its frames, one after the other; for an extractor of clips it counts as one.

    Raises:
        ValueError: the extractor does not provide a wanted feature, a feature is not finite, or an extractor of clips
            is given images.
    """
    wanted = tuple(dict.fromkeys(wanted))
    for name in wanted:
        if name not in extractor.provides:
            known = ", ".join(extractor.provides)
            raise ValueError(f"the extractor {extractor.name!r} provides no feature {name!r} (it has: {known})")
    parts: dict[str, list[Tensor]] = {name: [] for name in wanted}
    for piece in pieces(images, batch, whole=reads_clips(extractor)):
        if reads_clips(extractor) and piece.ndim != 5:
            raise ValueError(f"the extractor {extractor.name!r} reads clips (N, T, C, H, W), not images")
        found = extractor.extract(piece)
        for name in wanted:
            parts[name].append(found[name].float().cpu())
    features = {name: torch.cat(rows) for name, rows in parts.items()}
    for name, values in features.items():
        if not torch.isfinite(values).all():
            raise ValueError(f"the feature {name!r} of {extractor.name!r} is not finite on some image")
    return features


def reads_clips(extractor: Extractor) -> bool:
    """Whether an extractor reads whole clips."""
    return bool(getattr(extractor, "clips", False))


def three_channels(images: Tensor) -> Tensor:
    """Grey images repeated to three channels; colour images as they are.

    Raises:
        ValueError: another number of channels.
    """
    channels = images.shape[1]
    if channels == 1:
        return images.expand(-1, 3, -1, -1)
    if channels != 3:
        raise ValueError(f"images have {channels} channels; extractors read 1 (grey) or 3 (colour)")
    return images


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names and bytes of tensors, for weights that come from no file."""
    parts: list[str | memoryview] = []
    for name in sorted(tensors):
        parts += [name, tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data]
    return sha256(*parts)
