"""The images that samples are compared with, and their statistics in one extractor's features.

Statistics are computed once, cached by the images' content, and can be shared as one file.
"""

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

from zigbench.evaluation.extractors.features import Extractor, extract_features
from zigbench.evaluation.images import ImageSet, RealImages, SpreadImages
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.spec.files import short_sha256, write_atomically

MEAN = "mu"
"""Name of the mean feature in a file of statistics."""

MAX_FEATURES = 10_000
"""Rows of features stored beside mean and covariance, for the metrics that compare samples with samples."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The statistics of reference images in one extractor's features.

    For example, statistics to share::

        reference = Reference.of(features, name="digits", split="train")
        reference.save(Path("digits.npz"))

    Attributes:
        mu: mean feature, float64 (D,).
        sigma: covariance, float64 (D, D), with divisor count − 1.
        count: number of images; None if the file does not say.
        features: at most :data:`MAX_FEATURES` of the images' features, evenly spaced, float32 (n, D); None if the file
            has none.
        name: name of the reference set.
        split: split of the reference set.
        content_hash: hash of the images, or of the file that the statistics were read from.
        unlabelled_hash: hash of the images without labels and texts, where ``content_hash`` includes some.
        extractor: name, feature, SHA-256 of the weights and preparation of the extractor; empty if the file does not
            say.
    """

    mu: np.ndarray
    sigma: np.ndarray
    count: int | None
    features: Tensor | None
    name: str = ""
    split: str = ""
    content_hash: str = ""
    extractor: tuple[str, ...] = ()
    unlabelled_hash: str | None = None

    @classmethod
    def of(cls, features: Tensor, **facts: Any) -> Reference:
        """Compute the statistics of features (N, D); ``facts`` are the remaining attributes.

        Raises:
            UndefinedStatisticError: fewer than two images, which have no covariance.
        """
        if len(features) < 2:
            raise UndefinedStatisticError(f"{len(features)} reference images; a covariance takes at least 2")
        statistics = fid_features_to_statistics(features.double())
        rows = torch.linspace(0, len(features) - 1, min(MAX_FEATURES, len(features))).round().long()
        return cls(statistics["mu"], np.atleast_2d(statistics["sigma"]), len(features), features[rows], **facts)

    def save(self, path: Path) -> None:
        """Write one .npz file without pickles, atomically."""
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
        """Read a file of :meth:`save`, or statistics in the format of ADM's evaluation.

        The latter hold ``mu`` and ``sigma`` of FID's features and ``mu_s`` and ``sigma_s`` of sFID's.

        Args:
            path: an .npz file.
            feature: the name of the feature.

        Raises:
            ValueError: no such file, one that is damaged or needs pickles, or one without these statistics.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files if name != "arr_0"}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not a readable file of statistics (.npz without pickles): {error}") from None
        if "header" in arrays:
            header = json.loads(arrays["header"].tobytes())
            header["extractor"] = tuple(header["extractor"])
            features = torch.from_numpy(arrays["features"]) if "features" in arrays else None
            return cls(arrays["mu"], arrays["sigma"], features=features, **header)
        suffix = "_s" if feature == "spatial" else ""
        mu, sigma = arrays.get(f"mu{suffix}"), arrays.get(f"sigma{suffix}")
        if mu is None or sigma is None or mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
            names = ", ".join(arrays) or "nothing"
            raise ValueError(f"{path} holds no mean and covariance of the feature {feature!r}: it has {names}")
        digest = short_sha256(path.read_bytes())
        return cls(mu.astype(np.float64), sigma.astype(np.float64), None, None, path.name, "", digest)


def is_statistics(path: Path) -> bool:
    """Return whether a file holds statistics that :meth:`Reference.read` reads, and not images alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{MEAN}.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


@dataclass(frozen=True)
class ReferenceImages:
    """The images that samples are compared with.

    Attributes:
        images: the images.
        name: name of the data set.
        treatment: the split and its treatment, such as "train, latents decoded".
        content_hash: hash of the images, or of the latents if they are decoded.
        decoder: name of the decoder; None if nothing is decoded.
        unlabelled_hash: hash without labels and texts, where ``content_hash`` includes some.
    """

    images: ImageSet
    name: str
    treatment: str
    content_hash: str
    decoder: str | None = None
    unlabelled_hash: str | None = None


def reference_images(data: Any, reference: str, count: int | None = None) -> ReferenceImages:
    """Return the images of a data set that a spec's ``evaluation.reference`` names.

    Args:
        data: the data set's loader. If the data are latents it has ``decode``, ``decoder`` and ``originals``.
        reference: ``train`` or ``held-out`` for the split's own images, which for latents are the pictures they were
            encoded from; with ``-decoded`` appended for the decoded latents.
        count: images that count, spread evenly over the split; None for all.

    Raises:
        ValueError: the pictures of latents are missing, data that are not latents are to be decoded, or the split has
            fewer images than ``count``.
    """
    images = _all_images(data, reference)
    total = len(images.images)
    if count is None or count == total:
        return images
    if count > total:
        raise ValueError(
            f"evaluation.reference_count is {count:,}, but {images.name} has {total:,} reference images ({reference}): "
            "set it to that number at most, or leave it out for all"
        )
    bare = images.unlabelled_hash
    return replace(
        images,
        images=SpreadImages(images.images, count),
        treatment=f"{images.treatment}, {count:,} of {total:,} spread evenly",
        content_hash=short_sha256(f"{images.content_hash} {count}"),
        unlabelled_hash=None if bare is None else short_sha256(f"{bare} {count}"),
    )


def _all_images(data: Any, reference: str) -> ReferenceImages:
    split, decoded = reference.removesuffix("-decoded"), reference.endswith("-decoded")
    part = data.split(split)
    if not hasattr(data, "decode"):
        if decoded:
            raise ValueError(f"evaluation.reference is {reference!r}, but {part.name} is not made of latents: {split}")
        bare = unlabelled_hash(part)
        return ReferenceImages(RealImages(part), part.name, split, part.content_hash, unlabelled_hash=bare)
    if decoded:
        real = RealImages(part, data.decode)
        treatment, decoder, bare = f"{split}, latents decoded", str(data.decoder), unlabelled_hash(part)
        return ReferenceImages(real, part.name, treatment, part.content_hash, decoder, bare)
    originals = data.originals(split)
    return ReferenceImages(originals, part.name, f"{split}, {originals.treatment}", originals.content_hash)


def unlabelled_hash(split: Any) -> str | None:
    """Return the hash of a split's images without labels and texts; None where its content hash is of images alone."""
    bare: str | None = getattr(split, "unlabelled_hash", None)
    return None if bare == split.content_hash else bare


def identity(extractor: Extractor, feature: str) -> tuple[str, ...]:
    """Return the facts that two comparable sets of features share: extractor, feature, weights and preparation."""
    return (extractor.name, feature, extractor.sha256, extractor.preparation)


def compute_reference(images: ReferenceImages, extractor: Extractor, feature: str, cache: Path) -> Reference:
    """Return the statistics of reference images, from the cache or computed.

    The cache's key has the hash of the images' content, the decoder and the extractor's hash, never a name alone.

    Args:
        images: the reference images.
        extractor: the extractor.
        feature: the name of its feature.
        cache: the folder that runs share.
    """
    facts = (images.content_hash, images.decoder, len(images.images), MAX_FEATURES, *identity(extractor, feature))
    key = short_sha256(repr(facts))
    path = cache / "statistics" / f"{extractor.name.replace(' ', '-')}-{feature}-{key}.npz"
    if path.exists():
        read = Reference.read(path, feature)
        return replace(read, name=images.name, split=images.treatment, unlabelled_hash=images.unlabelled_hash)
    reference = Reference.of(
        extract_features(extractor, images.images, [feature])[feature],
        name=images.name,
        split=images.treatment,
        content_hash=images.content_hash,
        extractor=identity(extractor, feature),
    )
    reference.save(path)
    return replace(reference, unlabelled_hash=images.unlabelled_hash)


def read_reference(path: Path, extractor: Extractor, feature: str) -> Reference:
    """Read shared statistics of one feature from a file.

    Raises:
        ValueError: the file is not readable, or was made with another extractor.
    """
    reference = Reference.read(path, feature)
    if reference.extractor and reference.extractor != identity(extractor, feature):
        raise ValueError(
            f"{path} holds statistics of {' / '.join(reference.extractor)}; this metric needs those of "
            f"{' / '.join(identity(extractor, feature))}"
        )
    return reference
