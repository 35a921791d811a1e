"""Settings chosen by a rule: by the samples that choose alone, and reported from the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zigbench.records.folder import RunFolder
from zigbench.records.record import Measurement, Record
from zigbench.report.choice import choice_table, chosen_points
from zigbench.report.packed import _suite
from zigbench.report.results import Results, join
from zigbench.suite import Axis, Choice, Suite, expand, grid

# Frechet distances of three sets of each cell: the first chooses. For "one" it is least at 2, where the others are
# worst; for "two" at 1, the mean over the seeds deciding against the single best figure.
FIGURES = {
    ("one", "1.0", "0"): (5, 1, 1), ("one", "1.0", "1"): (5, 2, 2),
    ("one", "2.0", "0"): (3, 8, 10), ("one", "2.0", "1"): (3, 8, 12),
    ("two", "1.0", "0"): (4, 6, 6), ("two", "1.0", "1"): (4, 6, 8),
    ("two", "2.0", "0"): (1, 0, 0), ("two", "2.0", "1"): (9, 0, 0),
}  # fmt: skip


@pytest.fixture
def suite(tiny) -> Suite:
    arms = Axis("arm", {"one": {"scan.schemes": 1}, "two": {"scan.schemes": 2}})
    networks = Suite(name="trained", question="Which?", base=tiny, axes=(arms, grid("seed", (0, 1))))
    return Suite(
        name="swept",
        question="Which guidance?",
        networks=networks,
        base={"evaluation.metrics": ["frechet_random"], "evaluation.sample_sets": 3},
        axes=(networks.axes[0], grid("sampler.guidance", (1.0, 2.0), name="guidance"), networks.axes[1]),
        metrics=("frechet_random",),
        choice=Choice("guidance", "frechet_random"),
    )


def recorded(suite: Suite, root, left_out: tuple[str, ...] = ()) -> Results:
    for cell in (cells := list(expand(suite))):
        key = tuple(cell.labels[axis] for axis in ("arm", "guidance", "seed"))
        if key != left_out:
            run, samples = RunFolder.of(cell.spec, root), FIGURES[key]
            run.submit(cell.spec)
            figure = Measurement(name="frechet_random", value=sum(samples) / 3, samples=samples, higher_is_better=False)
            Record(id=run.id, status="ok", spec=cell.spec.resolved(), measurements=(figure,)).write(run.record)
    return join(suite, cells, root)


def test_the_first_set_chooses_and_the_others_are_reported(suite, tmp_path) -> None:
    results = recorded(suite, tmp_path)
    assert chosen_points(results, suite.choice) == {"one": "2.0", "two": "1.0"}
    table = choice_table(results)
    rows = {row[1].text: [entry.value for entry in row[3:]] for row in table.rows}
    assert rows == {"one": [3, 9.5, 1.5, None], "two": [4, 6.5, 6.5, -3]}
    assert [row[2].text for row in table.rows] == ["2.0", "1.0"]
    assert "takes the guidance with the least mean of" in table.notes[0]
    assert "The first set of each network's 3 sets of samples chooses; sets 2 to 3 are reported" in table.notes[0]


def test_more_sets_may_choose(suite, tmp_path) -> None:
    results = recorded(suite, tmp_path)
    assert chosen_points(results, Choice("guidance", "frechet_random", sets=2)) == {"one": "1.0", "two": "2.0"}
    assert chosen_points(results, Choice("guidance", "frechet_random", sets=3)) == {}


def test_a_point_without_every_seed_is_not_chosen(suite, tmp_path) -> None:
    results = recorded(suite, tmp_path, left_out=("one", "2.0", "1"))
    assert chosen_points(results, suite.choice) == {"one": "1.0", "two": "1.0"}


def test_the_rule_travels_with_a_pack(suite) -> None:
    assert _suite("swept", suite.to_json()).choice == suite.choice


def test_a_suite_without_a_rule_has_no_such_table(suite, tmp_path) -> None:
    assert choice_table(recorded(replace(suite, choice=None), tmp_path)) is None
    with pytest.raises(ValueError, match="chooses on 'width', which is none of its axes"):
        replace(suite, choice=Choice("width", "frechet_random"))
