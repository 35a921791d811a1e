"""Maximum mean discrepancy of unit features under a Gaussian kernel; with CLIP's features it is CMMD.

1000 (E k(x, x′) + E k(y, y′) − 2 E k(x, y)) with k(x, y) = exp(−‖x − y‖² / 2σ²), σ = 10, over all pairs, a feature with
itself included; Jayasumana et al., "Rethinking FID" (2024), section 4 and the code published with it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.kid import ROWS, reference_features
from zigbench.records.record import Measurement

SIGMA = 10.0
SCALE = 1_000.0


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Return the Gaussian kernel of unit features (N, D) and (M, D): (N, M)."""
    return ((x @ y.T - 1) / SIGMA**2).exp()  # ‖x − y‖² = 2 − 2 x·y.


def mmd(features: Tensor, reference: Tensor) -> float:
    """Return the discrepancy of features (N, D) and reference (M, D), each brought to length 1."""
    x, y = unit(features), unit(reference)
    within = sum(float(kernel(rows, x).sum()) for rows in x.split(ROWS)) / len(x) ** 2
    known = sum(float(kernel(rows, y).sum()) for rows in y.split(ROWS)) / len(y) ** 2
    across = sum(float(kernel(rows, y).sum()) for rows in x.split(ROWS)) / (len(x) * len(y))
    return SCALE * (within + known - 2 * across)


def resampled(features: Tensor, reference: Tensor, rows: Tensor) -> list[float]:
    """Return the discrepancy of each resample, less the references' own part; ``rows`` is int64 (resamples, N)."""
    x, y = unit(features), unit(reference)
    shares = torch.stack([torch.bincount(which, minlength=len(x)) for which in rows]).double() / len(x)
    figures = torch.zeros(len(rows), dtype=torch.float64)
    for start in range(0, len(x), ROWS):
        some = slice(start, start + ROWS)
        figures += (shares[:, some] @ kernel(x[some], x) * shares).sum(1)
        figures -= 2 * shares[:, some] @ kernel(x[some], y).mean(1)
    return (SCALE * figures).tolist()


def unit(features: Tensor) -> Tensor:
    """Return features (N, D) of length 1, float64."""
    return functional.normalize(features.double(), dim=1)


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the discrepancy of the samples' features and the reference's."""
    features = context.features(metric)
    reference = context.reference(metric)
    known, drawn = reference_features(metric, reference)
    value = mmd(features, known)
    protocol = context.protocol(
        metric,
        estimator=f"{SCALE:g} × squared MMD over all pairs, unit features, Gaussian kernel with σ = {SIGMA:g}"
        f"{drawn}, float64",
        compared_with=reference,
    )
    interval = context.interval(metric, value, lambda rows: resampled(features, known, rows))
    return (
        Measurement(name=metric.name, value=value, higher_is_better=False, interval=interval, protocol=protocol.hash),
    )
