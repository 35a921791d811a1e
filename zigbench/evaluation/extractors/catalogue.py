"""The feature extractors by name, each imported when it is loaded: timm and torchvision take seconds to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zigbench.evaluation.extractors.features import Extractor
from zigbench.spec.registry import load_object, nearest

MODULES: Mapping[str, str] = {
    "digits": "digit_classifier",
    "random": "random_features",
    "inception": "inception",
    "dinov2-small": "dinov2",
    "dinov2-base": "dinov2",
    "dinov2-large": "dinov2",
    "dinov2-giant": "dinov2",
    "dinov2-large-released": "dinov2",
    "clip": "clip",
    "random-3d": "random_features",
    "i3d": "i3d",
    "i3d-released": "i3d",
}
"""The module of this package whose ``load(name, cache, data, weights)`` returns the extractor."""

NAMES = tuple(MODULES)
"""Names of the feature extractors."""


def load_extractor(
    name: str,
    cache: Path,
    *,
    data: Any = None,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
) -> Extractor:
    """Load a feature extractor.

    For example, the features of FID::

        extractor = load_extractor("inception", Path("results/cache"))
        pool = extract_features(extractor, images, ["pool"])["pool"]

    Args:
        name: one of :data:`NAMES`.
        cache: the folder that runs share, for weights and the digit classifier.
        data: the data set's loader, which only ``digits`` needs.
        weights: a file of weights to use instead of the published ones; ``digits`` and the random ones have none.
        device: the device to compute on.

    Raises:
        ValueError: the name is unknown, or the weights are missing (:class:`MissingWeightsError`) or damaged.
    """
    if name not in MODULES:
        near = nearest(name, NAMES)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"unknown feature extractor {name!r}{hint} (known: {', '.join(NAMES)})")
    extractor: Any = load_object(f"{__package__}.{MODULES[name]}:load")(name, cache, data, weights)
    return extractor.to(device).eval().requires_grad_(False)
