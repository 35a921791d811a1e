"""Statistics of reference images in one extractor's features: computed once, kept by content, shared as one file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics

from zigbench.evaluation.extractors.features import Extractor, features_of
from zigbench.evaluation.images import ReferenceImages
from zigbench.spec.files import short_sha256, write_atomically

KEPT = 10_000
"""Rows of features kept beside mean and covariance, for the metrics that compare samples with samples."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference images as one extractor sees them.

    Attributes:
        mu: mean feature, float64 (D,).
        sigma: covariance, float64 (D, D), with divisor count − 1.
        count: number of images.
        features: at most :data:`KEPT` of the images' features, evenly spaced, float32 (n, D); None where the
            statistics came without.
        name: of the reference set.
        split: of the reference set.
        content_hash: of the images, or of the file the statistics were read from.
        extractor: name, feature and weights' SHA-256 of the extractor; empty where the file does not say.
    """

    mu: np.ndarray
    sigma: np.ndarray
    count: int | None
    features: Tensor | None
    name: str = ""
    split: str = ""
    content_hash: str = ""
    extractor: tuple[str, ...] = ()

    @classmethod
    def of(cls, features: Tensor, **facts: Any) -> Reference:
        """Statistics of features (N, D); ``facts`` are the remaining attributes.

        Raises:
            ValueError: fewer than two images, which have no covariance.
        """
        if len(features) < 2:
            raise ValueError(f"{len(features)} reference images; a covariance takes at least 2")
        found = fid_features_to_statistics(features.double())
        rows = torch.linspace(0, len(features) - 1, min(KEPT, len(features))).round().long()
        return cls(found["mu"], np.atleast_2d(found["sigma"]), len(features), features[rows], **facts)

    def save(self, path: Path) -> None:
        """Write one .npz file that needs no pickle to read; whole or not at all."""
        header = {
            "count": self.count,
            "name": self.name,
            "split": self.split,
            "content_hash": self.content_hash,
            "extractor": self.extractor,
        }
        arrays = {"mu": self.mu, "sigma": self.sigma, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
        if self.features is not None:
            arrays["features"] = self.features.numpy()
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path, feature: str = "pool") -> Reference:
        """Read what :meth:`save` wrote, or the statistics in the form of ADM's evaluation.

        The latter hold ``mu`` and ``sigma`` of FID's features and ``mu_s`` and ``sigma_s`` of sFID's.

        Args:
            path: an .npz file.
            feature: which feature the statistics are wanted for.

        Raises:
            ValueError: no such file, one that is damaged or needs pickles, or one without these statistics.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files if name != "arr_0"}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} can't be read as a file of statistics (.npz without pickles): {error}") from None
        if "header" in arrays:
            header = json.loads(arrays["header"].tobytes())
            header["extractor"] = tuple(header["extractor"])
            features = torch.from_numpy(arrays["features"]) if "features" in arrays else None
            return cls(arrays["mu"], arrays["sigma"], features=features, **header)
        suffix = "_s" if feature == "spatial" else ""
        mu, sigma = arrays.get(f"mu{suffix}"), arrays.get(f"sigma{suffix}")
        if mu is None or sigma is None or mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
            held = ", ".join(arrays) or "nothing"
            raise ValueError(f"{path} holds no mean and covariance for the feature {feature!r}: it has {held}")
        digest = short_sha256(path.read_bytes())
        return cls(mu.astype(np.float64), sigma.astype(np.float64), None, None, path.name, "", digest)


def identity(extractor: Extractor, feature: str) -> tuple[str, ...]:
    """What makes two sets of features comparable: extractor, feature, weights and preparation."""
    return (extractor.name, feature, extractor.sha256, extractor.preparation)


def reference_of(found: ReferenceImages, extractor: Extractor, feature: str, cache: Path) -> Reference:
    """Statistics of reference images, from the cache or computed now.

    The cache is keyed by the hash of the contents, by the decoder and by the extractor's hash, never by a name alone.

    Args:
        found: the images.
        extractor, feature: what sees them.
        cache: folder shared by runs.
    """
    facts = (found.content_hash, found.decoder, len(found.images), KEPT, *identity(extractor, feature))
    key = short_sha256(repr(facts))
    path = cache / "statistics" / f"{extractor.name.replace(' ', '-')}-{feature}-{key}.npz"
    if path.exists():
        return replace(Reference.read(path, feature), name=found.name, split=found.which)
    reference = Reference.of(
        features_of(extractor, found.images, [feature])[feature],
        name=found.name,
        split=found.which,
        content_hash=found.content_hash,
        extractor=identity(extractor, feature),
    )
    reference.save(path)
    return reference


def shared_reference(path: Path, extractor: Extractor, feature: str) -> Reference:
    """Statistics from a file that somebody shares.

    Raises:
        ValueError: the file was made by another extractor, or its dimension is another.
    """
    reference = Reference.read(path, feature)
    if reference.extractor and reference.extractor != identity(extractor, feature):
        raise ValueError(
            f"{path} holds statistics of {' / '.join(reference.extractor)}; wanted are those of "
            f"{' / '.join(identity(extractor, feature))}"
        )
    return reference
