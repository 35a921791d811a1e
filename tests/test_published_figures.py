"""Every published figure is laid beside an arm of a suite, or is listed as not comparable with a reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zigbench.report.published.comparison import figures_by_arm, nearest
from zigbench.report.published.figures import REASONS, Figure, by_column, read
from zigbench.report.speed.outcomes import OUT_OF_MEMORY
from zigbench.spec import Geometry, NetworkSpec, registry
from zigbench.suite import Suite, expand, load

FIGURES = read()


def laid_beside(suite: Suite) -> Iterator[Figure]:
    """Yield the figures that a suite's page shows beside arms, once its runs are recorded."""
    labels = (" · ".join(v for axis, v in cell.labels.items() if axis != "seed") for cell in expand(suite))
    arms = {arm: {arm} for arm in labels}
    for (table, *_, metric), column in by_column(FIGURES).items():
        if table in suite.published and nearest(metric, suite.metrics) is not None:
            yield from figures_by_arm(arms, suite.published_as, column).values()


def test_every_published_figure_is_beside_an_arm_or_has_a_reason_and_none_has_both():
    suites = [load(name).profile(p) for name in registry.suites.names() for p in (None, *load(name).profiles)]
    shown = {id(figure) for suite in suites if suite.published for figure in laid_beside(suite)}
    neither = [f for f in FIGURES if id(f) not in shown and not f.not_comparable]
    both = [f for f in FIGURES if id(f) in shown and f.not_comparable]
    assert neither == []
    assert both == []


def test_the_reasons_are_a_short_list_all_of_which_are_used():
    assert {figure.not_comparable for figure in FIGURES} == {"", *REASONS}


def test_every_published_outcome_is_of_a_table_that_a_suite_over_patches_names():
    suites = [load(name) for name in registry.suites.names()]
    named = {table for suite in suites if "throughput" in suite.figures for table in suite.published}
    stated = [figure for figure in FIGURES if figure.not_comparable == "outcome"]
    assert stated
    assert {(figure.table in named, figure.metric) for figure in stated} == {(True, OUT_OF_MEMORY)}


def test_the_tables_that_suites_name_exist():
    named = {table for name in registry.suites.names() for table in load(name).published}
    assert named - {figure.table for figure in FIGURES} == set()


@pytest.mark.parametrize(("arm", "count"), [("zigma", 5.36), ("dit", 6.05), ("u-vit", 12.20)])
def test_the_flops_of_the_published_table_are_counted_again(arm, count):
    spec = next(cell.spec for cell in expand(load("transformers")) if cell.labels["arm"] == arm)
    cost = spec.cost(spec.geometry)
    (published,) = (f.value for f in FIGURES if (f.table, f.metric, f.method) == ("transformers", "gflops", arm))
    assert round(cost.matrix_flops / 2e9, 2) == count
    assert count == pytest.approx(published, rel=0.11)


def test_scans_are_what_the_published_count_of_the_zigzag_leaves_out():
    cost = NetworkSpec.of("zigma", size="S", position="none").cost(Geometry(4, 32, 32, 2))
    assert round(cost.flops / 2e9, 2) == 5.71
