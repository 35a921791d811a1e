"""Precision and recall, density and coverage: the overlap of two sets of features.

Around each point of a set lies a ball that reaches to its k-th nearest neighbour in the same set. Precision: share of
samples in some ball of the references; recall: share of references in some ball of the samples; Kynkäänniemi et al.
(2019), whose balls are closed. Density: number of reference balls that a sample lies in, over k; coverage: share of
references whose ball holds a sample; Naeem et al. (2020), whose balls are open, so that a set against itself has
density 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.evaluation.metrics.kid import reference_features
from zigbench.records.record import Measurement

NEIGHBOURS = {"precision": 3, "recall": 3, "density": 5, "coverage": 5}
"""k of each figure, as its authors set it."""

DINOV2_NEIGHBOURS = 5
"""k of each figure in DINOv2's features, as Stein et al. (2023) set it."""

TIE = 1e-9
"""Relative difference of two distances that is rounding: those of x to y and of y to x differ in their last digits."""

ROWS = 1_000
"""Rows of a distance matrix that are computed at once."""


def precision_recall(samples: Tensor, references: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """Return precision and recall of samples (N, D) against references (M, D), by torch-fidelity.

    Raises:
        UndefinedStatisticError: a set has no k-th neighbour.
    """
    _check(samples, references, neighbours)
    values = prc_features_to_metric(
        samples.double(),
        references.double(),
        prc_neighborhood=neighbours,
        prc_batch_size=ROWS,
        save_cpu_ram=True,
        verbose=False,
    )
    return float(values[KEY_METRIC_PRECISION]), float(values[KEY_METRIC_RECALL])


def density_coverage(samples: Tensor, references: Tensor, neighbours: int = 5) -> tuple[float, float]:
    """Return density (0 and up; 1 for equal distributions) and coverage (0 to 1) of samples (N, D), references (M, D).

    Raises:
        UndefinedStatisticError: a set has no k-th neighbour.
    """
    _check(samples, references, neighbours)
    inside = in_balls(samples, references, neighbours, closed=False)
    return float(inside.sum()) / (neighbours * len(samples)), float(inside.any(0).double().mean())


def in_balls(points: Tensor, centres: Tensor, neighbours: int, *, closed: bool) -> Tensor:
    """Return whether each point (N, D) lies in each centre's ball, bool (N, M); a closed ball holds its edge."""
    points, centres = points.double(), centres.double()
    reach = [torch.cdist(rows, centres).kthvalue(neighbours + 1).values for rows in centres.split(ROWS)]
    radius = torch.cat(reach) * (1 + TIE if closed else 1 - TIE)
    return torch.cat([torch.cdist(rows, centres) < radius for rows in points.split(ROWS)])


def resampled(name: str, samples: Tensor, references: Tensor, rows: Tensor, neighbours: int) -> list[float]:
    """Return the figure ``name`` of each resample, rows int64 (resamples, N); the balls are those of all samples."""
    if name == "recall":
        inside = in_balls(references, samples, neighbours, closed=True).T.contiguous()
    else:
        inside = in_balls(samples, references, neighbours, closed=name == "precision")
    if name in ("recall", "coverage"):
        return [float(inside[which.unique()].any(0).double().mean()) for which in rows]
    per_sample = inside.any(1).double() if name == "precision" else inside.sum(1).double() / neighbours
    return per_sample[rows].mean(1).tolist()


def neighbours_of(metric: Metric) -> int:
    """Return k of a metric whose name begins with that of a figure."""
    of_dinov2 = str(metric.extractor).startswith("dinov2")
    return DINOV2_NEIGHBOURS if of_dinov2 else NEIGHBOURS[metric.name.partition("_")[0]]


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the one of the four figures that the metric names."""
    features = context.features(metric)
    reference = context.reference(metric)
    known, _ = reference_features(metric, reference)
    figure, neighbours = metric.name.partition("_")[0], neighbours_of(metric)
    pair = precision_recall if figure in ("precision", "recall") else density_coverage
    figures = pair(features, known, neighbours)
    kind = "open " if pair is density_coverage else ""
    protocol = context.protocol(
        metric,
        estimator=f"{kind}balls to the neighbour of rank {neighbours}, {len(known)} references",
        compared_with=reference,
    )
    value = figures[0] if figure in ("precision", "density") else figures[1]
    interval = context.interval(metric, value, lambda rows: resampled(figure, features, known, rows, neighbours))
    return (
        Measurement(name=metric.name, value=value, higher_is_better=True, interval=interval, protocol=protocol.hash),
    )


def _check(samples: Tensor, references: Tensor, neighbours: int) -> None:
    for what, features in (("samples", samples), ("references", references)):
        if len(features) <= neighbours:
            raise UndefinedStatisticError(f"{len(features)} {what} have no neighbour of rank {neighbours}; take more")
