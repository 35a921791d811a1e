"""Intervals: laid about the figure, as wide as its error, and the same at every call."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from zigbench.evaluation.metrics import frechet, kid
from zigbench.evaluation.metrics import inception_score as score
from zigbench.evaluation.metrics import precision_recall as manifold
from zigbench.evaluation.metrics.intervals import bootstrap_interval, resampled_rows
from zigbench.evaluation.references import Reference


def normal(seed: int, count: int, width: int = 4, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error() -> None:
    values = normal(0, 400, 1)[:, 0]
    mean = float(values.mean())
    low, high = bootstrap_interval(mean, lambda rows: values[rows].mean(1).tolist(), 400, 2_000)
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * float(values.std()) / 20, rel=0.05)


def test_no_resamples_no_interval_and_equal_calls_equal_rows() -> None:
    assert bootstrap_interval(1.0, lambda rows: pytest.fail("nothing to compute"), 10, 0) is None
    first = resampled_rows(10, 3)
    assert torch.equal(first, resampled_rows(10, 3))
    assert not torch.equal(first[0], first[1])


def every_figure(samples: torch.Tensor, references: torch.Tensor):
    """Each metric's name, value, and figures of resamples."""
    reference = Reference.of(references)
    size = kid.subset_size(len(samples), len(references))
    yield "frechet", frechet.frechet_distance(samples, reference), partial(frechet.resampled, samples, reference)
    yield (
        "kid",
        kid.kernel_distance(samples, references, size=size)[0],
        partial(kid.resampled, samples, references),
    )
    yield "score", score.inception_score(samples)[0], partial(score.resampled, samples)
    for name, value in zip(
        ("precision", "recall", "density", "coverage"),
        (*manifold.precision_recall(samples, references), *manifold.density_coverage(samples, references)),
        strict=True,
    ):
        yield name, value, partial(manifold.resampled, name, samples, references, neighbours=manifold.NEIGHBOURS[name])


def test_every_metrics_interval_holds_it_and_narrows_with_the_samples() -> None:
    references = normal(1, 600)
    widths = []
    for count in (60, 960):
        samples = normal(2, count, shift=0.7)
        row = {}
        for name, value, figures in every_figure(samples, references):
            low, high = bootstrap_interval(value, figures, count, 60)
            assert low <= value <= high
            row[name] = high - low
        widths.append(row)
    # The share of a fixed set that is reached is settled at both ends, by few samples and by many, not in between.
    for name in ("frechet", "kid", "score", "precision", "density"):
        assert widths[1][name] < 0.75 * widths[0][name]


def test_the_whole_set_as_its_own_resample_is_the_figure() -> None:
    samples, references = normal(2, 80, shift=0.5), normal(1, 90)
    rows = torch.arange(80)[None]
    for name, value in zip(
        ("precision", "recall", "density", "coverage"),
        (*manifold.precision_recall(samples, references), *manifold.density_coverage(samples, references)),
        strict=True,
    ):
        assert manifold.resampled(name, samples, references, rows, manifold.NEIGHBOURS[name]) == pytest.approx([value])
    assert score.resampled(samples, rows) == pytest.approx([score.inception_score(samples, splits=1)[0]])
    part = references[:80]
    whole = kid.kernel_distance(samples, part, subsets=1, size=80)[0]
    own = (part @ part.T / 4 + 1) ** 3
    constant = float(own.sum() - own.diagonal().sum()) / (80 * 79)
    assert kid.resampled(samples, part, rows)[0] + constant == pytest.approx(whole)


def test_kernels_in_pieces_are_the_kernel(monkeypatch) -> None:
    samples, references, rows = normal(2, 50), normal(1, 40), resampled_rows(50, 4)
    whole = kid.resampled(samples, references, rows)
    monkeypatch.setattr(kid, "ROWS", 7)
    assert kid.resampled(samples, references, rows) == pytest.approx(whole)
