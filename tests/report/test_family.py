"""One family of tests a campaign: a difference has one verdict on every page, and a network one name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from zigbench.records import packing
from zigbench.records.collect import scan
from zigbench.records.record import Measurement
from zigbench.report import tables
from zigbench.report.answer import answer, contrast_tests
from zigbench.report.family import arm_name, contrast_pairs
from zigbench.report.figures import catalogue
from zigbench.report.published.comparison import compare
from zigbench.report.published.figures import read
from zigbench.report.published.tables import comparison_table
from zigbench.report.results import Results, join
from zigbench.report.statistics import holm, paired_p
from zigbench.suite import Axis, Contrast, Suite, expand, grid

WORSE = Contrast("zigzag-1", "zigzag-8", "one direction", worse="W", better="B", neither="N", margin=0.02, same="S")
HILBERT = replace(WORSE, a="hilbert-8", says="the Hilbert curve")


def suite(name: str, arms: Mapping[str, str], *contrasts: Contrast, seeds: Axis | None = None) -> Suite:
    points = {label: synthetic.point(arm) for label, arm in arms.items()}
    return synthetic.suite(
        name=name, axes=(Axis("arm", points), seeds or grid("seed", [0, 1, 2])), contrasts=contrasts,
        published=(), published_as={}, metrics=("held_out_loss",),
    )  # fmt: skip


def record(root: Path, of: Suite, losses: Mapping[str, tuple[float, ...]]) -> Results:
    """Record made-up losses: by arm, in the order of the cells."""
    remaining = {arm: iter(values) for arm, values in losses.items()}
    cells = list(expand(of))
    for cell in cells:
        loss = Measurement(name="held_out_loss", value=next(remaining[cell.labels["arm"]]), higher_is_better=False)
        synthetic.record(cell, root, (loss,), log=False)
    return join(of, cells, root)


def pack(root: Path, out: Path, *suites: Suite) -> None:
    cells = [(of, cell) for of in suites for cell in expand(of)]
    runs: dict[str, dict[str, Mapping[str, str]]] = {}
    for of, cell in cells:
        runs.setdefault(cell.spec.id, {})[of.name] = dict(cell.labels)
    labels = packing.Labels({of.name: of.to_json() for of in suites}, runs)
    packing.write(scan(root).records, labels, out, author="tests")


LOSSES = {
    "zigzag-8": (0.400, 0.410, 0.420), "zigzag-1": (0.50, 0.52, 0.51), "hilbert-8": (0.41, 0.42, 0.434),
    "zigzag-2": (0.44, 0.46, 0.47),
}  # fmt: skip


def test_suites_of_a_pack_are_corrected_together_and_agree(tmp_path: Path) -> None:
    one = suite("one", {a: a for a in ("zigzag-8", "zigzag-1", "hilbert-8")}, WORSE, HILBERT)
    other = suite("other", {a: a for a in ("zigzag-8", "zigzag-2", "zigzag-1")}, replace(WORSE, a="zigzag-2"), WORSE)
    for of in (one, other):
        record(tmp_path / "runs", of, {arm: LOSSES[arm] for arm in of.axes[0].points})
    pack(tmp_path / "runs", tmp_path / "pack", one, other)
    found = [join(of, list(expand(of)), tmp_path / "pack") for of in (one, other)]
    assert found[0].family.suites == ("one", "other")
    # The contrast that both suites have is one test of the family: three in all.
    assert found[0].family.contrasts == 3
    tests = {
        test.effect.a: test.effect
        for results in found
        for contrast in results.suite.contrasts
        for test in contrast_tests(results, contrast, "held_out_loss")
    }
    by_hand = {
        arm: paired_p([x - y for x, y in zip(LOSSES[arm], LOSSES["zigzag-8"], strict=True)])
        for arm in ("zigzag-1", "hilbert-8", "zigzag-2")
    }
    corrected = dict(zip(by_hand, holm(list(by_hand.values())), strict=True))
    assert {arm: effect.p_holm for arm, effect in tests.items()} == pytest.approx(corrected)
    for results in found:
        drawn = tables.effect_table(results)
        verdicts = {row[0].text: (row[-2].text, row[6 - 1].value) for row in drawn.rows}
        assert verdicts["zigzag-1"] == ("a contrast", pytest.approx(corrected["zigzag-1"]))


def test_runs_in_a_folder_are_corrected_within_their_suite(tmp_path: Path) -> None:
    one = suite("one", {a: a for a in ("zigzag-8", "zigzag-1", "hilbert-8", "zigzag-2")}, WORSE)
    results = record(tmp_path, one, LOSSES)
    assert (results.family.suites, results.family.contrasts) == (("one",), 1)
    asked = {row[0].text: row[-2].text for row in tables.effect_table(results).rows}
    assert asked == {"zigzag-1": "a contrast", "hilbert-8": "explored", "zigzag-2": "explored"}


BLOCKS = Axis(
    "seed",
    {f"digits, {s}": {"seed": s} for s in range(3)}
    | {f"photographs, {s}": {"seed": s, "data": {"name": "photographs", "config": {"size": 16}}} for s in range(3)},
)


def test_each_data_set_has_its_answer_and_the_interaction_is_tested(tmp_path: Path) -> None:
    two = suite("two", {a: a for a in ("zigzag-8", "zigzag-1")}, WORSE, seeds=BLOCKS)
    losses = {"zigzag-8": (0.4, 0.41, 0.42, 0.2, 0.21, 0.22), "zigzag-1": (0.5, 0.512, 0.519, 0.10, 0.111, 0.121)}
    results = record(tmp_path, two, losses)
    text = str(answer(results)[0])
    assert text.startswith("One direction changes held-out loss by +0.1003 ± 0.0038 on digits (worse); −0.0993")
    assert "on photographs (better) (95 % intervals, 3 paired blocks each)" in text
    assert "The effect depends on the data set (p < 0.001, Welch's analysis of variance)." in text
    assert results.family.contrasts == 2


def test_sets_that_agree_have_a_claim_and_a_mean_with_alike_weights(tmp_path: Path) -> None:
    two = suite("two", {a: a for a in ("zigzag-8", "zigzag-1")}, WORSE, seeds=BLOCKS)
    losses = {"zigzag-8": (0.4, 0.41, 0.42, 0.2, 0.21, 0.22), "zigzag-1": (0.5, 0.512, 0.519, 0.30, 0.311, 0.321)}
    text = str(answer(record(tmp_path, two, losses))[0])
    assert text.startswith("W: one direction changes held-out loss by +0.1003 ± 0.0038 on digits (worse); +0.1007")
    assert "A dependence on the data set is not separated" in text


def test_data_sets_are_the_blocks_of_ranks_and_have_tables_and_figures_of_their_own(tmp_path: Path) -> None:
    arms = ("zigzag-8", "zigzag-1", "hilbert-8")
    two = suite("two", {a: a for a in arms}, WORSE, seeds=BLOCKS)
    losses = {arm: (*LOSSES[arm], *(v / 2 for v in LOSSES[arm])) for arm in arms}
    results = record(tmp_path, two, losses)
    assert tables.rank_over_data(results, "held_out_loss").rows[0][0].text == "zigzag-8"
    assert "2 blocks" in tables.rank_over_data(results, "held_out_loss").notes[0]
    assert tables.result_table(results.parts["digits"]).name == "results-digits"
    assert {"effects-digits", "effects-photographs"} <= set(catalogue.requests(results)[0])


def test_points_of_another_axis_are_answered_each_and_never_averaged(tmp_path: Path) -> None:
    steps = Axis("steps", {"120": {"training.steps": 120}, "240": {"training.steps": 240}})
    arms = {"zigzag-8": synthetic.point("zigzag-8"), "zigzag-1": synthetic.point("zigzag-1")}
    long = synthetic.suite(
        name="long", axes=(Axis("arm", arms), steps, grid("seed", [0, 1, 2])), contrasts=(WORSE,),
        metrics=("held_out_loss",),
    )  # fmt: skip
    losses = {"zigzag-8": (0.4, 0.41, 0.42, 0.3, 0.31, 0.32), "zigzag-1": (0.5, 0.51, 0.522, 0.3, 0.311, 0.32)}
    text = str(answer(record(tmp_path, long, losses))[0])
    assert "+0.1007 ± 0.0029 at 120 steps (worse); +0.0003 ± 0.0014 at 240 steps (equal)" in text


def test_one_network_under_two_names_is_one_arm(tmp_path: Path) -> None:
    arms = {"zigzag-8": "zigzag-8", "blocked[size=8]-8": "blocked[size=8]-8", "zigzag-1": "zigzag-1"}
    losses = {"zigzag-8": LOSSES["zigzag-8"], "blocked[size=8]-8": LOSSES["zigzag-8"], "zigzag-1": LOSSES["zigzag-1"]}
    results = record(tmp_path, suite("twins", arms), losses)
    assert results.arms == ("zigzag-8", "zigzag-1")
    assert results.twins == {"blocked[size=8]-8": "zigzag-8"}
    assert (
        "blocked[size=8]-8 is the network of zigzag-8 under a second name: one arm."
        in tables.result_table(results).notes
    )
    assert len(tables.run_table(results).rows) == 9


def test_equal_losses_of_unlike_orders_are_two_arms(tmp_path: Path) -> None:
    losses = {"zigzag-8": LOSSES["zigzag-8"], "hilbert-8": LOSSES["zigzag-8"]}
    assert record(tmp_path, suite("apart", {a: a for a in losses}), losses).twins == {}


def test_the_published_hilbert_stands_beside_both_curves_with_an_agreement_each(tmp_path: Path) -> None:
    arms = ("zigzag-8", "zigzag-2", "hilbert-8", "hilbert-2", "hilbert-released-8", "hilbert-released-2")
    losses = (0.30, 0.33, 0.31, 0.32, 0.36, 0.38)
    of = replace(
        suite("curves", {arm: arm for arm in arms}), published=("scan_curve",),
        published_as={f"hilbert-released-{n}": f"hilbert-{n}" for n in (2, 8)},
    )  # fmt: skip
    results = record(tmp_path, of, {arm: (v, v + 0.01, v + 0.005) for arm, v in zip(arms, losses, strict=True)})
    (column,) = compare(results, read(Path("results/published.csv")))
    assert {column.published[f"hilbert-released-{n}"] - column.published[f"hilbert-{n}"] for n in (2, 8)} == {0}
    own, released = column.agreements.items()
    assert own[0] == "with hilbert-8 and hilbert-2"
    assert own[1].tau == pytest.approx(1 / 3)
    assert released[0] == "with hilbert-released-8 and hilbert-released-2"
    assert (released[1].tau, released[1].low, released[1].single) == (1, 1, (1, 1, 1))
    notes = " ".join(comparison_table([column]).notes)
    assert "with hilbert-released-8 and hilbert-released-2: Kendall's τ = +1.00 (4 arms; " in notes
    assert "The largest value is 4.63 times the smallest as published, 1.26 times as measured." in notes


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"arm": "dit", "lr": "0.001", "seed": "0"}, "dit · lr = 0.001"),
        ({"arm": "dit", "lr": "1e-3"}, "dit · lr = 1e-3"),
        ({"arm": "dit", "flips": "False"}, "dit · flips = False"),
        ({"arm": "dit", "position": "none"}, "dit · position = none"),
        ({"arm": "zigzag-8", "steps": "30,720"}, "zigzag-8 · steps = 30,720"),
        ({"arm": "dit", "data": "digits"}, "dit · digits"),
        ({"depth": "2", "seed": "0"}, "2"),
        ({"seed": "0"}, ""),
    ],
)
def test_a_label_that_says_nothing_has_its_axis_beside_it(labels, name):
    assert arm_name(labels) == name


def test_a_contrast_names_arms_with_or_without_their_axes():
    labels = [{"arm": arm, "lr": lr} for arm in ("dit", "zigma") for lr in ("0.1", "0.2")]
    arms = {arm_name(of): of for of in labels}
    one = [({}, "dit · lr = 0.1", "zigma · lr = 0.1")]
    assert contrast_pairs("dit · 0.1", "zigma · 0.1", arms, "arm") == one
    assert contrast_pairs(*one[0][1:], arms, "arm") == one
    assert [pair[0] for pair in contrast_pairs("dit", "zigma", arms, "arm")] == [{"lr": "0.1"}, {"lr": "0.2"}]
