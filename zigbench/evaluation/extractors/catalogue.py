"""Feature extractors by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zigbench.evaluation.extractors.features import Extractor
from zigbench.spec.registry import nearest

NAMES = (
    "digits", "random", "inception", "dinov2-small", "dinov2-base", "dinov2-large", "dinov2-giant",
    "dinov2-large-released", "random-3d", "i3d", "i3d-released",
)  # fmt: skip


def load_extractor(
    name: str,
    cache: Path,
    *,
    data: Any = None,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
) -> Extractor:
    """The feature extractor called ``name``, ready on ``device``.

    Args:
        name: one of :data:`NAMES`.
        cache: folder shared by runs, for weights and the digit classifier.
        data: the data set's loader; only ``digits`` needs it.
        weights: a file of weights to use instead of the published ones.
        device: where to compute. ``digits`` and the random ones take files of weights from nobody.

    Raises:
        ValueError: an unknown name; weights that are missing (:class:`MissingWeightsError`) or damaged.
    """
    # Each extractor's library is imported by who asks for it: timm and torchvision take seconds.
    if name == "digits":
        from zigbench.evaluation.extractors.digit_classifier import DigitFeatures

        if data is None:
            raise ValueError("the digit classifier is trained on the data: give data=")
        extractor: Any = DigitFeatures(data, cache)
    elif name == "random":
        from zigbench.evaluation.extractors.random_features import RandomFeatures

        extractor = RandomFeatures()
    elif name == "random-3d":
        from zigbench.evaluation.extractors.random_clips import RandomClipFeatures

        extractor = RandomClipFeatures()
    elif name in ("i3d", "i3d-released"):
        from zigbench.evaluation.extractors import i3d

        extractor = i3d.load(cache, weights, released=name == "i3d-released")
    elif name == "inception":
        from zigbench.evaluation.extractors import inception

        extractor = inception.load(cache, weights)
    elif name in NAMES:
        from zigbench.evaluation.extractors import dinov2

        size = name.split("-")[1]
        extractor = dinov2.load(size, cache, weights, released=name.endswith("-released"))
    else:
        near = nearest(name, NAMES)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"unknown feature extractor {name!r}{hint} (known: {', '.join(NAMES)})")
    return extractor.to(device).eval().requires_grad_(False)
