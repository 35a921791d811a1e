"""Fréchet distance between Gaussians fitted to two sets of features.

d² = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½); Dowson and Landau (1982). With Inception's features it is FID (Heusel et
al., 2017), with its spatial ones sFID (Nash et al., 2021), with DINOv2's FDD (Stein et al., 2023), with those of clips
by I3D FVD (Unterthiner et al., 2018); with others it has no name but its own. The frame FID is FID over all frames of
all clips, each by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.evaluation.references import Reference
from zigbench.records.record import Measurement


def frechet_distance(features: Tensor, reference: Reference) -> float:
    """Return the distance between features (N, D) and the reference, by torch-fidelity's estimator in float64.

    Raises:
        UndefinedStatisticError: fewer than two samples.
        ValueError: not the reference's dimension.
    """
    _check(features, reference)
    statistics = fid_features_to_statistics(features.double())
    return _distance(statistics["mu"], np.atleast_2d(statistics["sigma"]), reference)


def distance_between(real: Reference, reference: Reference) -> float:
    """Return the distance between the statistics of two sets of images."""
    return _distance(real.mu, real.sigma, reference)


def _distance(mu: np.ndarray, sigma: np.ndarray, reference: Reference) -> float:
    known = {"mu": reference.mu, "sigma": reference.sigma}
    return float(fid_statistics_to_metric({"mu": mu, "sigma": sigma}, known, verbose=False)[KEY_METRIC_FID])


def resampled(
    features: Tensor, reference: Reference, rows: Iterable[Tensor], device: torch.device | str = "cpu"
) -> list[float]:
    """Return the distance of each resample of the samples; ``rows`` are the rows of each, int64.

    tr (Σ₁ Σ₂)^½ = tr (R Σ₁ R)^½ with R = Σ₂^½, which is symmetric: one fast eigendecomposition for each.
    """
    _check(features, reference)
    sigma = torch.from_numpy(reference.sigma).to(device)
    centre = torch.from_numpy(reference.mu).to(device)
    values, vectors = torch.linalg.eigh(sigma)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    samples = features.double().to(device)

    def distance(which: Tensor) -> float:
        chosen = samples[which.to(device)]
        mean = chosen.mean(0)
        chosen = chosen - mean
        covariance = chosen.T @ chosen / (len(which) - 1)
        cross = torch.linalg.eigvalsh(root @ covariance @ root).clamp(min=0).sqrt().sum()
        return float((mean - centre).square().sum() + covariance.trace() + sigma.trace() - 2 * cross)

    return [distance(which) for which in rows]


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the distance of the samples' features to the reference's."""
    features = context.features(metric)
    reference = context.reference(metric)
    protocol = context.protocol(
        metric,
        estimator="Fréchet distance of fitted Gaussians, covariance over N − 1, float64",
        compared_with=reference,
    )
    value = frechet_distance(features, reference)
    singular = len(features) <= features.shape[1]
    return (
        Measurement(
            name=metric.name,
            value=value,
            higher_is_better=False,
            interval=context.interval(metric, value, lambda rows: resampled(features, reference, rows, context.device)),
            protocol=protocol.hash,
            note=f"{len(features)} samples for {features.shape[1]} dimensions: the covariance is singular"
            if singular
            else "",
        ),
    )


def _check(features: Tensor, reference: Reference) -> None:
    if len(features) < 2:
        raise UndefinedStatisticError(f"{len(features)} samples; a covariance takes at least 2: take more")
    if features.shape[1] != len(reference.mu):
        raise ValueError(
            f"the samples have {features.shape[1]} features, the reference {reference.name!r} {len(reference.mu)}: "
            "it was made by another extractor"
        )
