"""Tables say what the records say; writers escape what a name may hold."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from zigbench.evaluation.protocol import Protocol, write_protocols
from zigbench.records.record import Failure, Measurement
from zigbench.report import protocols, provenance, tables
from zigbench.report import table as table_files
from zigbench.report.answer import answer
from zigbench.report.figures import catalogue
from zigbench.report.figures.effects import effects_of_arms
from zigbench.report.ranks import friedman
from zigbench.report.results import Results, join
from zigbench.report.table import Column, Entry, Table
from zigbench.suite import Axis, Contrast, expand, grid, load


def column(table: Table, title: str) -> dict[str, Entry]:
    index = next(i for i, c in enumerate(table.columns) if c.title.startswith(title))
    return {row[0].text: row[index] for row in table.rows}


def test_result_table_has_every_arm_and_marks_nothing_that_is_not_separated(results: Results) -> None:
    table = tables.result_table(results)
    loss = column(table, "Held-out loss")
    assert list(loss) == list(synthetic.TRUTH)
    assert all(
        e.value == pytest.approx(synthetic.TRUTH[a] + 0.02, abs=0.003) and "±" in e.text for a, e in loss.items()
    )
    # The two leaders differ by less than the noise between them; no margin is stated, so neither is equal to the other.
    assert not [a for a, e in loss.items() if e.mark]
    assert {e.mark for e in column(table, "Parameters").values()} == {""}


def test_unfinished_runs_are_named(tmp_path: Path) -> None:
    suite = synthetic.suite()
    cells = synthetic.cells(suite)
    by_name = {(c.labels["arm"], c.labels["seed"]): c for c in cells}
    synthetic.record(by_name["sweep-1", "0"], tmp_path, synthetic.measurements(cells[0], 0.7))
    for seed in "012":
        synthetic.record(
            by_name["zigzag-1", seed], tmp_path, status="oom", error=Failure(kind="OutOfMemoryError", message="8 GB")
        )
    synthetic.record(by_name["zigzag-2", "0"], tmp_path, status="failed", error=Failure(kind="E", message="m"))
    damaged = synthetic.record(by_name["zigzag-8", "0"], tmp_path)
    (tmp_path / damaged.id / "record.json").write_text("{")
    found = join(suite, cells, tmp_path)
    table = tables.result_table(found)
    loss, runs = column(table, "Held-out loss"), column(table, "Runs")
    assert runs["sweep-1"].text == "1/3"
    assert "±" not in loss["sweep-1"].text
    assert loss["zigzag-1"].text == "out of memory"
    assert loss["zigzag-2"].text == "1 failed, 2 missing"
    assert "1 damaged" in loss["zigzag-8"].text
    states = {row[2].text: row[3] for row in tables.run_table(found).rows}
    assert states[by_name["zigzag-1", "0"].spec.id].hint == "OutOfMemoryError: 8 GB"


def test_one_seed_shows_the_interval_within_the_run(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("latency",))
    cells = [cell for cell in synthetic.cells(suite) if cell.spec.seed == 0]
    for cell in cells:
        figure = Measurement(name="latency", value=2.0, unit="ms", higher_is_better=False, interval=(1.9, 2.2))
        synthetic.record(cell, tmp_path, (figure,), log=False)
    table = tables.result_table(join(suite, cells, tmp_path))
    assert {row[2].text for row in table.rows} == {"2 [1.900, 2.200]"}
    # One seed separates nothing, so nothing is marked.
    assert {row[2].mark for row in table.rows} == {""}
    assert any("within that run" in note for note in table.notes)


def test_unlike_protocols_are_marked_named_and_not_ranked(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("frechet_squares",))
    cells = synthetic.cells(suite)
    usual = Protocol(metric="frechet_squares", estimator="Fréchet distance", samples=5000)
    other = usual.model_copy(update={"samples": 160, "solver": "heun"})
    for cell in cells:
        used = other if cell.labels["arm"] == "hilbert-8" else usual
        figure = Measurement(
            name="frechet_squares", value=1.0 + cell.spec.seed, higher_is_better=False, protocol=used.hash
        )
        synthetic.record(cell, tmp_path, (figure,), log=False)
        write_protocols(tmp_path / cell.spec.id, [used])
    found = join(suite, cells, tmp_path)
    table = tables.result_table(found)
    assert table.columns[2].title.endswith("‡")
    assert {row[0].text for row in table.rows if row[2].text.endswith("‡")} == {"hilbert-8"}
    assert {row[0].text: row[2].protocol for row in table.rows}["hilbert-8"] == other.hash
    (note,) = [note for note in table.notes if note.startswith("‡")]
    assert "hilbert-8 was measured" in note
    assert "the number of samples differs: 160 against 5000" in note
    assert all(row[2].mark == "" for row in table.rows)
    verdicts = {row[0].text: row[-1].text for row in tables.effect_table(found).rows}
    assert [arm for arm, verdict in verdicts.items() if "different protocols" in verdict] == ["hilbert-8"]
    unlike = next(row for row in tables.effect_table(found).rows if row[0].text == "hilbert-8")
    assert not any(character.isdigit() for cell in unlike[3:5] for character in cell.text)
    assert all(not e.estimate.n for e in effects_of_arms(found).arguments[0] if e.a == "hilbert-8")
    assert tables.rank(found, "frechet_squares") is None
    assert not any("hilbert-8" in str(s) for s in answer(replace(found, suite=replace(suite, contrasts=()))))
    assert "different protocols" in str(answer(found)[1])
    assert "different protocols" not in str(answer(found)[0])
    rows = list(csv.DictReader(io.StringIO(table_files.csv(table))))
    assert {row["Arm"] for row in rows if row["Frechet squares ↓ ‡ protocol"] == other.hash} == {"hilbert-8"}


def arms_of_samplers(tmp_path: Path) -> Results:
    """Return results of two arms that have a solver and a rate each, sampled in one step and in two."""
    arms = {
        "slow": {"backbone.name": "zigma", "sampler.solver": "euler", "optimizer.lr": 1e-3},
        "fast": {"backbone.name": "zigma", "sampler.solver": "heun", "optimizer.lr": 2e-3},
    }
    axes = (Axis("arm", arms), grid("sampler.steps", (1, 2), name="steps"), grid("seed", (0, 1, 2)))
    contrast = Contrast("fast · 1", "slow · 2", "the fast arm in one step instead of the slow one in two")
    suite = synthetic.suite(
        metrics=("frechet_squares",), axes=axes, baseline="slow", contrasts=(contrast,), figures=("evaluations",)
    )
    cells = synthetic.cells(suite)
    for cell in cells:
        sampler = cell.spec.sampler
        used = Protocol(metric="frechet_squares", estimator="exact", solver=sampler.solver, steps=sampler.steps)
        value = 1.0 / sampler.steps + (0.1 + 0.001 * cell.spec.seed) * (cell.labels["arm"] == "slow")
        figure = Measurement(name="frechet_squares", value=value, higher_is_better=False, protocol=used.hash)
        synthetic.record(cell, tmp_path, (figure,), log=False)
        write_protocols(tmp_path / cell.spec.id, [used])
    return join(suite, cells, tmp_path)


def test_arms_with_a_sampler_each_are_compared_but_not_ranked_over_all_steps(tmp_path: Path) -> None:
    found = arms_of_samplers(tmp_path)
    assert protocols.measured_alike(found, "frechet_squares", "fast · steps = 1", "slow · steps = 2")
    table = tables.result_table(found)
    assert not any("‡" in column.title for column in table.columns)
    assert any("differ by the sampler that each arm has" in note for note in table.notes)
    assert tables.rank(found, "frechet_squares") is None
    (sentence, *_) = answer(found)
    assert "by 0.3990" in str(sentence)  # 1 − (1/2 + 0.1 + the mean of 0, 0.001 and 0.002)
    assert provenance.factors(found, "fast · steps = 1", "slow · steps = 2") == (
        "sampler.solver",
        "sampler.steps",
        "optimizer.lr",
    )


def test_evaluations_have_a_line_for_each_arm_whatever_its_solver(tmp_path: Path) -> None:
    drawn, missing = catalogue.requests(arms_of_samplers(tmp_path))
    assert "evaluations" not in str(missing)
    text = drawn["evaluations"].draw().alternative
    assert "slow: 1 1.10" in text
    assert "fast: 2 1.00" in text


def test_contrasts_that_change_the_same_keys_share_a_sentence(results: Results) -> None:
    more = (*results.suite.contrasts, Contrast("sweep-1", "hilbert-8", "one sweep instead of eight Hilbert curves"))
    (sentence,) = provenance.factor_warnings(replace(results, suite=replace(results.suite, contrasts=more)))
    assert sentence.startswith("The contrasts sweep-1 − zigzag-8 and sweep-1 − hilbert-8 change scan.")
    assert sentence.endswith(": their effect is that of all together, and no evidence for one of them.")


def test_a_contrast_that_changes_several_keys_is_evidence_for_none_alone(results: Results) -> None:
    assert provenance.factors(results, "hilbert-8", "zigzag-8") == ("scan.curve",)
    several = provenance.factors(results, "sweep-1", "zigzag-8")
    assert len(several) > 1
    (sentence,) = provenance.factor_warnings(results)
    assert sentence.startswith(f"The contrast sweep-1 − zigzag-8 changes {', '.join(several[:-1])} and {several[-1]}:")
    changes = column(tables.effect_table(results), "Changes")
    assert changes["hilbert-8"].text == "scan.curve"
    assert changes["sweep-1"].text == ", ".join(several)


def test_the_quickstarts_contrasts_change_one_key_each(tmp_path: Path) -> None:
    suite = load("quickstart")
    found = join(suite, list(expand(suite)), tmp_path)
    assert {len(provenance.factors(found, contrast.a, contrast.b)) for contrast in suite.contrasts} == {1}


def test_metrics_beyond_the_suites_list_have_a_table(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("held_out_loss",))
    suite = replace(suite, base={**suite.base, "evaluation.metrics": ["held_out_loss", "kid_digits", "recognised"]})
    cells = synthetic.cells(suite)
    for cell in cells:
        more = Measurement(name="kid_digits", value=2.5, higher_is_better=False)
        synthetic.record(cell, tmp_path, (*synthetic.measurements(cell, 0.6), more), log=False)
    found = join(suite, cells, tmp_path)
    assert found.further_metrics == ("kid_digits",)  # Recognised was not measured.
    table = tables.further_table(found)
    assert table is not None
    assert {row[2].text for row in table.rows} == {"2.500"}
    assert tables.further_table(join(replace(suite, metrics=("held_out_loss", "kid_digits")), cells, tmp_path)) is None


def test_labels_of_the_held_out_images_leave_the_arms_comparable(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("frechet_squares",))
    cells = synthetic.cells(suite)
    bare = Protocol(metric="frechet_squares", estimator="Fréchet distance", reference_hash="images")
    labelled = bare.model_copy(update={"reference_hash": "with labels", "reference_unlabelled": "images"})
    for cell in cells:
        used = labelled if cell.labels["arm"] == "hilbert-8" else bare
        figure = Measurement(name="frechet_squares", value=1.0, higher_is_better=False, protocol=used.hash)
        synthetic.record(cell, tmp_path, (figure,), log=False)
        write_protocols(tmp_path / cell.spec.id, [used])
    found = join(suite, cells, tmp_path)
    assert len(found.protocols("frechet_squares")) == 2
    assert not any(column.title.endswith("‡") for column in tables.result_table(found).columns)
    assert not any("protocols" in str(sentence) for sentence in answer(found))


def test_protocols_that_differ_between_seeds_alone_leave_the_arms_comparable(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("frechet_squares",))
    cells = synthetic.cells(suite)
    for cell in cells:
        value = 1.0 + (cell.labels["arm"] != "zigzag-8") + 0.01 * cell.spec.seed
        protocol = f"of seed {cell.labels['seed']}"
        figure = Measurement(name="frechet_squares", value=value, higher_is_better=False, protocol=protocol)
        synthetic.record(cell, tmp_path, (figure,), log=False)
    found = join(suite, cells, tmp_path)
    table = tables.result_table(found)
    assert not any("‡" in column.title for column in table.columns)
    assert {row[0].text for row in table.rows if row[2].mark == "best"} == {"zigzag-8"}
    assert any("differ with seed alone" in note for note in table.notes)
    assert not any("different protocols" in str(sentence) for sentence in answer(found))


def test_chance_is_noted_beside_the_classifier_accuracy(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("recognised", "held_out_loss"))
    cells = synthetic.cells(suite)
    for cell in cells:
        share = Measurement(name="recognised", value=0.12, higher_is_better=True)
        synthetic.record(cell, tmp_path, (share, *synthetic.measurements(cell, 0.6)), log=False)
    notes = tables.result_table(join(suite, cells, tmp_path)).notes
    assert [note for note in notes if "chance" in note] == ["Classifier accuracy: 0.10 is chance, with 10 classes."]


def test_protocols_that_the_folders_lack_are_said_to_be_unknown(tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("frechet_squares",))
    cells = synthetic.cells(suite)
    for cell in cells:
        figure = Measurement(name="frechet_squares", value=1.0, protocol=cell.labels["arm"] * 4)
        synthetic.record(cell, tmp_path, (figure,), log=False)
    notes = tables.result_table(join(suite, cells, tmp_path)).notes
    assert len([note for note in notes if "the difference is unknown" in note]) == 6


def test_effects_find_the_truth(results: Results) -> None:
    table = tables.effect_table(results)
    verdicts = {(row[0].text, row[1].text): row[-1].text for row in table.rows}
    assert verdicts["sweep-1", "Held-out loss"] == "worse"
    assert verdicts["hilbert-8", "Held-out loss"] == "not separated"
    assert {arm for arm, _ in verdicts} == set(synthetic.TRUTH) - {"zigzag-8"}
    # Parameters have no direction: nothing is better or worse by them.
    assert not [key for key in verdicts if key[1] == "Parameters"]


def test_ranking_states_its_test(results: Results) -> None:
    values = results.values("held_out_loss")
    sets = values.rename(columns=lambda seed: f"digits, {seed}")
    (note,) = tables.ranking_table(friedman(sets, False), "held_out_loss").notes
    assert f"over {len(values.columns)} blocks" in note
    table = tables.ranking_table(friedman(values, False), "held_out_loss")
    ranks = [row[1].value for row in table.rows]
    assert ranks == sorted(ranks, key=float)
    assert "Nemenyi" in table.notes[0]


HOSTILE = r"<script>alert(1)</script> & 50% of $x_1$ | {a} \ #1 ~^ =cmd"


def hostile(text: str) -> Table:
    return Table("t", text, (Column(text), Column("n", True)), ((Entry(text), Entry("1", 1.0, "best")),), (text,))


def test_latex_escapes_every_special() -> None:
    text = table_files.latex(hostile(HOSTILE))
    body = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater)\{\}", "", text)
    escaped = re.findall(r"(?<!\\)[%#_~^]", body)
    assert not escaped
    assert r"\toprule" in text
    assert r"\textbf{1}" in text


def test_markdown_keeps_its_table_whole() -> None:
    text = table_files.markdown(hostile(HOSTILE + "\nnew | line"))
    table_rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table_rows) == 3
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in table_rows)
    assert "<script>" not in text


@given(st.text(max_size=30))
def test_csv_round_trips_any_text(text: str) -> None:
    rows = list(csv.reader(io.StringIO(table_files.csv(hostile(text)), newline="")))
    assert len(rows) == 2
    assert rows[1][0].lstrip("'") == text.replace("\n", " ").replace("\r", " ").lstrip("'")


def test_csv_carries_the_estimates(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(table_files.csv(tables.result_table(results)))))
    row = next(row for row in rows if row["Arm"] == "zigzag-8")
    low, mean, high = (float(row[f"Held-out loss ↓{k}"]) for k in (" low", "", " high"))
    assert low < mean < high
    assert row["Held-out loss ↓ n"] == "3"


def test_written_files_are_named_after_the_table(results: Results, tmp_path: Path) -> None:
    paths = table_files.write(tables.result_table(results), tmp_path)
    assert sorted(p.name for p in paths) == ["results.csv", "results.md", "results.tex"]
