"""Published columns beside measured metrics: ranks, units and samples, and the tables that show them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from zigbench.evaluation.protocol import Protocol, write_protocols
from zigbench.records.record import Measurement
from zigbench.report.published.comparison import PublishedColumn, compare
from zigbench.report.published.figures import Figure, read
from zigbench.report.published.tables import comparison_table
from zigbench.report.results import Results, join
from zigbench.spec import registry
from zigbench.suite import Cell, Suite, expand


def record_all(cell: Cell, root: Path, metrics: Iterable[str], samples: int) -> None:
    """Every metric 1.0, under a protocol of so many samples."""
    used = [Protocol(metric=name, estimator="a distance", samples=samples) for name in metrics]
    values = [Measurement(name=p.metric, value=1.0, higher_is_better=False, protocol=p.hash) for p in used]
    synthetic.record(cell, root, tuple(values), log=False)
    write_protocols(root / cell.spec.id, used)


def published_beside(
    tmp_path: Path, suite: Suite, samples: int, stated: Mapping[str, float]
) -> dict[str, PublishedColumn]:
    """Comparisons by published metric, where two arms of the suite are published with these figures."""
    for cell in synthetic.cells(suite):
        record_all(cell, tmp_path, suite.metrics, samples)
    figures = [
        Figure("stated", "slides", "UCF101", "256", method, metric, value, "")
        for method in ("sweep", "zigzag-8")
        for metric, value in stated.items()
    ]
    columns = compare(join(suite, synthetic.cells(suite), tmp_path), tuple(figures))
    return {comparison.metric: comparison for comparison in columns}


def test_published_beside_measured_compares_ranks_only_where_metrics_differ(results: Results) -> None:
    figures = read(Path("results/published.csv"))
    compared = compare(results, figures)
    assert {c.metric for c in compared} == {"fid5k", "fdd5k", "kid5k"}
    first = compared[0]
    assert first.names["sweep-1"] == "sweep"
    assert set(first.published) == {"sweep-1", "zigzag-1", "zigzag-2", "zigzag-8"}
    assert first.agreements[""].tau == 1.0
    table = comparison_table(compared)
    assert not [c.title for c in table.columns if c.title.startswith("Measured −")]
    assert any("compare their order" in note for note in table.notes)
    assert "Source: ZigMa slides, table 1" in table.notes[0]
    assert [row[2].text for row in table.rows] == [
        "158.1 (4, 100 %)", "65.7 (3, 18 %)", "54.7 (2, 8 %)", "45.5 (1, 0 %)",
    ]  # fmt: skip


def test_a_method_stated_twice_is_compared_where_the_suite_names_which(results: Results) -> None:
    def stated(published_as: dict[str, str]) -> set[float]:
        suite = replace(results.suite, published=("coco",), published_as={"sweep-1": "sweep", **published_as})
        columns = compare(replace(results, suite=suite), read(Path("results/published.csv")))
        slides = next(column for column in columns if "slides" in column.source)
        return {value for arm, value in slides.published.items() if arm == "zigzag-8"}

    assert stated({}) == set()
    assert stated({"zigzag-8": "zigzag-8"}) == {41.8}
    assert stated({"zigzag-8": "zigzag-8 (gpus=16)"}) == {33.8}


def test_a_published_metric_is_the_same_at_the_published_count_of_samples_alone(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("frame_fid", "kid"), published=("stated",))
    stated = {"frame_fid5k": 3.5, "kid50k": 2.0}
    columns = published_beside(tmp_path, suite, 5_000, stated)
    assert {metric: (c.measured_metric, c.same_metric) for metric, c in columns.items()} == {
        "frame_fid5k": ("frame_fid", True),
        "kid50k": ("kid", False),
    }
    table = comparison_table(list(columns.values()))
    ((index, title),) = [(i, c.title) for i, c in enumerate(table.columns) if c.title.startswith("Measured −")]
    assert title == "Measured − published Frame FID⁵ᵏ, UCF101 256"
    assert {row[index].value for row in table.rows} == {-2.5}
    (note,) = [note for note in table.notes if "differ in kind" in note]
    assert note.startswith("Measured and published Kid50k differ")


def test_the_least_of_all_steps_stands_beside_the_last_where_runs_were_measured_along_the_way(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("fid",), published=("stated",), published_as={"zigzag-8": "zigzag-8"})
    for cell in synthetic.cells(suite):
        along = {10: 5.0, 20: 2.0 + cell.spec.seed, None: 4.0}
        values = tuple(Measurement(name="fid", value=v, step=s, higher_is_better=False) for s, v in along.items())
        synthetic.record(cell, tmp_path, values, log=False)
    figure = Figure("stated", "slides", "UCF101", "256", "zigzag-8", "fid", 3.0, "")
    (column,) = compare(join(suite, synthetic.cells(suite), tmp_path), (figure,))
    assert (dict(column.measured), dict(column.least)) == ({"zigzag-8": 4.0}, {"zigzag-8": 3.0})
    assert column.agreements == {}  # One arm has no rank.
    table = comparison_table([column])
    assert [c.title for c in table.columns][3:5] == ["Measured FID", "Measured FID, least of all steps"]
    assert [entry.text for entry in table.rows[0]][3:5] == ["4 (1)", "3 (1)"]


def test_a_published_cost_is_compared_in_its_own_unit_with_the_same_measured_cost(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("flops_matrix", "fps"), published=("stated",), published_as={"zigzag-8": "zigma"})
    for cell in synthetic.cells(suite):
        values = (Measurement(name="flops_matrix", value=10.72e9),)
        synthetic.record(cell, tmp_path, values, log=False)
    figures = tuple(
        Figure("stated", "slides", "CelebA-HQ", "256", "zigma", metric, value, "")
        for metric, value in (("gflops", 5.2), ("fid5k", 14.27), ("memory_gb", 17.8))
    )
    (column,) = compare(join(suite, synthetic.cells(suite), tmp_path), figures)
    assert (column.metric, column.measured_metric, column.same_metric) == ("gflops", "gflops", True)
    assert column.measured == {"zigzag-8": pytest.approx(5.36)}


def test_published_fdd_and_fvd_are_laid_beside_what_reproduces_the_release(tmp_path: Path) -> None:
    stated = {"fvd5k": 3.0, "fdd5k": 3.0}
    metrics = ("fvd", "fvd_released", "fdd")
    columns = published_beside(tmp_path, synthetic.suite(metrics=metrics, published=("stated",)), 5_000, stated)
    assert {metric: (c.measured_metric, c.same_metric) for metric, c in columns.items()} == {
        "fvd5k": ("fvd_released", True),
        "fdd5k": ("fdd", False),  # The nearest there is, on another scale.
    }


def test_published_costs_are_never_ranked_against_quality(tmp_path: Path) -> None:
    stated = {"memory_gb": 9.0, "gflops": 5.0, "fps": 2.0, "inception_score": 3.0}
    columns = published_beside(tmp_path, synthetic.suite(metrics=("fid", "fps"), published=("stated",)), 5_000, stated)
    assert {metric: (c.measured_metric, c.same_metric) for metric, c in columns.items()} == {
        "fps": ("fps", True),
        "inception_score": ("fid", False),
    }


def test_the_published_table_of_scan_schemes_stands_beside_its_suite_figure_by_figure(tmp_path: Path) -> None:
    suite = registry.suites.get("scan_order")
    cells = [cell for cell in expand(suite) if cell.spec.seed == 0]
    for cell in cells:
        record_all(cell, tmp_path, suite.metrics, cell.spec.evaluation.samples)
    figures = read(Path("results/published.csv"))
    columns = {(c.resolution, c.metric): c for c in compare(join(suite, cells, tmp_path), figures)}
    assert set(columns) == set(itertools.product(("256", "512"), ("fid5k", "fdd5k", "kid5k")))
    for (resolution, _), comparison in columns.items():
        assert comparison.same_metric
        assert len(comparison.published) == 4
        assert all(arm.endswith(f"resolution = {resolution}") for arm in comparison.published)
