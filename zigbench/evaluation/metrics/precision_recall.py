"""Precision and recall, density and coverage: does one set lie where the other does?

Around each point of a set lies a ball that reaches to its k-th nearest neighbour in the same set. Precision: share of
samples in some ball of the references; recall: share of references in some ball of the samples; Kynkäänniemi et al.
(2019). Density: number of reference balls that a sample lies in, over k; coverage: share of references whose ball holds
a sample; Naeem et al. (2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from zigbench.evaluation.metrics.intervals import interval
from zigbench.records.record import Measurement

if TYPE_CHECKING:
    from zigbench.evaluation.context import EvaluationContext
    from zigbench.evaluation.metrics.catalogue import Metric

NEIGHBOURS = {"precision": 3, "recall": 3, "density": 5, "coverage": 5}
"""k of each, as its authors set it."""

ROWS = 1_000
"""Distances are held for this many samples at once."""


def precision_recall(samples: Tensor, references: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """Precision and recall of samples (N, D) against references (M, D), by torch-fidelity.

    Raises:
        ValueError: a set that has no k-th neighbour.
    """
    _check(samples, references, neighbours)
    found = prc_features_to_metric(
        samples.double(),
        references.double(),
        prc_neighborhood=neighbours,
        prc_batch_size=ROWS,
        save_cpu_ram=True,
        verbose=False,
    )
    return float(found[KEY_METRIC_PRECISION]), float(found[KEY_METRIC_RECALL])


def density_coverage(samples: Tensor, references: Tensor, neighbours: int = 5) -> tuple[float, float]:
    """Density (0 and up; 1 where the sets are alike) and coverage (0 to 1) of samples (N, D), references (M, D).

    Raises:
        ValueError: a set that has no k-th neighbour.
    """
    _check(samples, references, neighbours)
    inside = in_balls(samples, references, neighbours)
    return float(inside.sum()) / (neighbours * len(samples)), float(inside.any(0).double().mean())


def in_balls(points: Tensor, centres: Tensor, neighbours: int) -> Tensor:
    """Which points (N, D) lie in which centres' balls, bool (N, M)."""
    points, centres = points.double(), centres.double()
    reach = [torch.cdist(rows, centres).kthvalue(neighbours + 1).values for rows in centres.split(ROWS)]
    radius = torch.cat(reach)
    return torch.cat([torch.cdist(rows, centres) <= radius for rows in points.split(ROWS)])


def resampled(name: str, samples: Tensor, references: Tensor, rows: Tensor) -> list[float]:
    """The figure ``name`` of each resample, ``rows`` being int64 (resamples, N); balls stay those of all samples."""
    neighbours = NEIGHBOURS[name]
    if name == "recall":
        holds = in_balls(references, samples, neighbours).T.contiguous()
    else:
        holds = in_balls(samples, references, neighbours)
    if name in ("recall", "coverage"):
        return [float(holds[which.unique()].any(0).double().mean()) for which in rows]
    worth = holds.any(1).double() if name == "precision" else holds.sum(1).double() / neighbours
    return worth[rows].mean(1).tolist()


def measure(context: EvaluationContext, metric: Metric) -> tuple[Measurement, ...]:
    """The one of the four that the metric names."""
    features = context.features(metric)
    reference = context.reference(metric)
    if reference.features is None:
        raise ValueError(f"{metric.name} compares features, and the reference {reference.name!r} holds statistics only")
    neighbours = NEIGHBOURS[metric.name]
    pair = precision_recall if metric.name in ("precision", "recall") else density_coverage
    found = pair(features, reference.features, neighbours)
    protocol = context.protocol(
        metric,
        estimator=f"balls to the neighbour of rank {neighbours}, {len(reference.features)} references",
        against=reference,
    )
    value = found[0] if metric.name in ("precision", "density") else found[1]
    known = reference.features
    resamples = context.spec.evaluation.bootstrap
    around = interval(
        value,
        lambda rows: resampled(metric.name, features, known, rows),
        len(features),
        resamples,
        context.together(metric),
    )
    return (Measurement(name=metric.name, value=value, higher_is_better=True, interval=around, protocol=protocol.hash),)


def _check(samples: Tensor, references: Tensor, neighbours: int) -> None:
    for what, features in (("samples", samples), ("references", references)):
        if len(features) <= neighbours:
            raise ValueError(f"{len(features)} {what} have no neighbour of rank {neighbours}; take more")
