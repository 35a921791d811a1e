"""The page says what the records hold, and what they lack; nothing from outside gets in as markup."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import synthetic

from zigbench import report
from zigbench.records.record import Failure, Measurement
from zigbench.report import provenance, tables
from zigbench.report.answer import answer
from zigbench.report.results import Results, join
from zigbench.suite import Axis, Cell, Contrast, Suite, grid

COMMAND = "zigbench report squares"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, root: Path, suite: Suite, cells: list[Cell]) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "squares"
    report.write(suite, cells, root=root, out=folder, command=COMMAND, run_pages=True)
    return folder


class Reader(HTMLParser):
    """Tags, ids, text; and whether every opened element is closed in order."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text())
    assert not reader.open
    return reader


def words(page: Path) -> str:
    return re.sub(r"\s+", " ", read(page).text)


def test_page_is_sound_and_self_contained(out: Path) -> None:
    reader = read(out / "index.html")
    assert len(reader.ids) == len(set(reader.ids))
    loads = [
        attributes.get(key) or ""
        for tag, attributes in reader.tags
        for key in ("src", "href", "xlink:href")
        if key in attributes and (tag != "a")
    ]
    assert all(address.startswith(("data:", "#")) for address in loads), loads
    assert (out / "index.html").stat().st_size < 5e6
    links = {a.get("href") or "" for tag, a in reader.tags if tag == "a"}
    for link in links:
        assert link[1:] in reader.ids if link.startswith("#") else (out / link).exists(), link


def test_page_holds_answer_completeness_notes_and_command(out: Path) -> None:
    text = words(out / "index.html")
    assert "Does the order in which the patches are visited matter?" in text
    assert "The order matters: one forward sweep instead of eight zigzag directions raises held-out loss by" in text
    assert "Hilbert is level with zigzag" in text
    assert "not separated" in text
    assert "21 of 21 runs finished" in text
    assert "A miniature." in text
    assert "Frechet squares: Squares." in text
    assert COMMAND in text


def test_every_figure_and_table_lies_beside_the_page(out: Path) -> None:
    for name in ("effects", "loss", "samples", "orders"):
        assert {p.suffix for p in (out / "figures").glob(f"{name}.*")} == {".svg", ".png", ".pdf"}
    for name in ("results", "effects", "runs", "environment", "equality", "published-scan-scheme"):
        assert {p.suffix for p in (out / "tables").glob(f"{name}.*")} == {".csv", ".md", ".tex"}
    frame = pd.read_csv(out / "frame.csv")
    assert len(frame) == 63
    assert pd.read_parquet(out / "frame.parquet")["value"].sum() == pytest.approx(frame["value"].sum())


def test_pictures_have_text_alternatives(out: Path) -> None:
    reader = read(out / "index.html")
    pictures = [a for tag, a in reader.tags if tag == "img"]
    drawings = [a for tag, a in reader.tags if tag == "svg"]
    assert len(pictures) == 7
    assert all((a.get("alt") or "") != "" for a in pictures)
    assert len(drawings) == 3
    assert all(len(a.get("aria-label") or "") > 40 for a in drawings)


def test_a_page_for_every_run(out: Path, cells: list[Cell]) -> None:
    for cell in cells:
        text = words(out / "runs" / f"{cell.spec.id}.html")
        assert "480 images/s" in text
        assert "7.43 % of the device's matrix peak, 1.25 % of the time waiting for data" in text
        assert cell.name in text
        assert "Held-out loss" in text


def test_writing_twice_gives_equal_bytes(
    out: Path, tmp_path: Path, root: Path, suite: Suite, cells: list[Cell]
) -> None:
    again = tmp_path / "squares"
    report.write(suite, cells, root=root, out=again, command=COMMAND, run_pages=True)
    for path in ("index.html", "figures/loss.svg", "figures/effects.pdf", "tables/results.csv"):
        assert (again / path).read_bytes() == (out / path).read_bytes(), path


def test_no_records_is_said(tmp_path: Path) -> None:
    suite = synthetic.suite()
    page = report.write(suite, synthetic.cells(suite), root=tmp_path / "none", out=tmp_path / "r", command=COMMAND)
    text = words(page)
    assert "There is no answer yet: no run of this suite has finished. 0 of 21 runs finished, 21 missing" in text


def test_no_cells_is_said(tmp_path: Path) -> None:
    page = report.write(synthetic.suite(), [], root=tmp_path / "none", out=tmp_path / "r", command=COMMAND)
    assert "0 of 0 runs finished" in words(page)


def test_failures_damage_and_nan_are_said(tmp_path: Path) -> None:
    suite = synthetic.suite()
    cells = synthetic.cells(suite)
    for position, cell in enumerate(cells):
        found = synthetic.measurements(cell, 0.6 + 0.01 * position)
        synthetic.record(cell, tmp_path, found, log=False)
    lost = Measurement(name="held_out_loss", value=None, higher_is_better=False, note="The loss was not finite.")
    synthetic.record(cells[0], tmp_path, (lost,), log=False)
    synthetic.record(cells[3], tmp_path, status="diverged", error=Failure(kind="Diverged", message="NaN at step 7"))
    (tmp_path / cells[6].spec.id / "record.json").write_text('{"schema_version": 0}')
    page = report.write(suite, cells, root=tmp_path, out=tmp_path / "r", command=COMMAND)
    text = words(page)
    assert "19 of 21 runs finished, 1 diverged, 1 damaged" in text
    assert "Diverged: NaN at step 7" in text
    assert "Not used: zigzag-2 · seed 0. " in text
    assert "schema version 0; this zigbench reads 1" in text
    assert "The loss was not finite." in text


HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> {{ 7777*7777 }} "quoted" & $\\LaTeX$ _x^2'


def test_hostile_strings_stay_text(tmp_path: Path) -> None:
    points = {HOSTILE: synthetic.point("sweep-1"), "b\u202e]]>-->": synthetic.point("zigzag-8")}
    suite = synthetic.suite(
        question=HOSTILE,
        axes=(Axis("arm", points), grid("seed", [0, 1])),
        baseline="b\u202e]]>-->",
        contrasts=(Contrast(HOSTILE, "b\u202e]]>-->", HOSTILE),),
        figures=("continuity", "pareto", HOSTILE),
        notes=(HOSTILE,),
    )
    cells = synthetic.cells(suite)
    for cell in cells[:3]:
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 0.5 + cell.spec.seed))
    hostile = Failure(kind=HOSTILE, message=HOSTILE, traceback=HOSTILE, log_tail=HOSTILE)
    synthetic.record(cells[3], tmp_path, status="failed", error=hostile)
    page = report.write(suite, cells, root=tmp_path, out=tmp_path / "r" / "suite", command=HOSTILE, run_pages=True)
    for path in [page, report.write_index(tmp_path / "r", command=HOSTILE), *(page.parent / "runs").glob("*.html")]:
        reader = read(path)
        assert len([tag for tag, _ in reader.tags if tag == "script"]) == 1
        assert not [a for _, a in reader.tags if "onerror" in a]
        assert "60481729" not in reader.text or "{{ 7777*7777 }}" in reader.text
        # A page of a run has the names of its arm alone.
        assert HOSTILE.split(" {{")[0] in reader.text or "b\u202e]]>-->" in reader.text


def test_changed_suite_keeps_and_marks_old_cells(tmp_path: Path) -> None:
    before = synthetic.suite()
    cells = synthetic.populate(tmp_path, before, log=False)
    out = tmp_path / "r"
    report.write(before, cells, root=tmp_path, out=out, command=COMMAND)
    arms = {arm: synthetic.point(arm) for arm in synthetic.TRUTH if arm != "dit"}
    after = synthetic.suite(axes=(Axis("arm", arms), grid("seed", [0, 1, 2])), version=2)
    page = report.write(after, synthetic.cells(after), root=tmp_path, out=out, command=COMMAND)
    text = words(page)
    assert "From an earlier version of this suite" in text
    assert all(cell.spec.id in text for cell in cells if cell.labels["arm"] == "dit")
    assert "18 of 18 runs finished" in text
    partial = report.write(after, synthetic.cells(after)[:3], root=tmp_path, out=out, command=f"{COMMAND} --only x")
    assert "earlier version" not in words(partial)


def test_unequal_cells_are_flagged_with_their_numbers(tmp_path: Path) -> None:
    suite = synthetic.suite()
    cells = synthetic.cells(suite)
    for cell in cells:
        parameters = 150_000 if cell.labels["arm"] == "dit" else 110_000
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 0.6, parameters), log=False)
    page = report.write(suite, cells, root=tmp_path, out=tmp_path / "r", command=COMMAND)
    rows = (tmp_path / "r" / "tables" / "equality.csv").read_text().splitlines()
    assert [row for row in rows if "not within" in row] == ['dit,Parameters,"150,000",+36.4 %,not within 5 %']
    assert "1 arm breaks it" in words(page)


@pytest.mark.parametrize("unit", ["ms", ""])
def test_unlike_kernels_are_said_of_speeds_alone(unit: str, tmp_path: Path) -> None:
    suite = synthetic.suite(metrics=("cost",))
    cells = synthetic.cells(suite)
    for cell, kernel in zip(cells, ["numba", "reference"] * 10, strict=False):
        found = (Measurement(name="cost", value=1.0, unit=unit, higher_is_better=False),)
        synthetic.record(cell, tmp_path, found, log=False, kernel=kernel)
    text = words(report.write(suite, cells, root=tmp_path, out=tmp_path / "r", command=COMMAND))
    warning = "Runs differ in kernel: numba and reference. Do not compare their speed or memory."
    assert (warning in text) == (unit == "ms")
    assert "numba (10 runs); reference (10 runs)" in text


def test_a_reason_shared_by_many_runs_is_said_once(tmp_path: Path) -> None:
    suite = synthetic.suite()
    cells = synthetic.cells(suite)
    for cell in cells:
        synthetic.record(cell, tmp_path, status="failed", error=Failure(kind="ValueError", message="no disk"))
    text = words(report.write(suite, cells, root=tmp_path, out=tmp_path / "r", command=COMMAND))
    assert text.count("ValueError: no disk") == 1
    assert "sweep-1 · seed 0, sweep-1 · seed 1, sweep-1 · seed 2, zigzag-1 · seed 0 and 17 others" in text
    assert "0 of 21 runs finished, 21 failed" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "can't be read"), ("table,source\n", "its columns are"), ("{", "its columns are")],
)
def test_faulty_published_figures_are_said(content: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    if content is not None:
        path.write_text(content)
    suite = synthetic.suite()
    page = report.write(suite, [], root=tmp_path, out=tmp_path / "r", command=COMMAND, published_csv=path)
    assert says in words(page)


def sentences(results: Results, **changes: Any) -> list[str]:
    suite = synthetic.suite(**changes)
    return [str(s) for s in answer(Results(suite, results.runs, results.frame))]


def test_answer_follows_the_numbers_not_the_names(results: Results) -> None:
    a, b = "sweep-1", "zigzag-8"
    there = sentences(results, contrasts=(Contrast(a, b, "it", worse="W", better="B", neither="N"),))[0]
    back = sentences(results, contrasts=(Contrast(b, a, "it", worse="W", better="B", neither="N"),))[0]
    assert there.startswith("W: it raises held-out loss by 0.067")
    assert back.startswith("B: it lowers held-out loss by 0.067")
    assert there.split("by")[1] == back.split("by")[1]


def test_answer_without_contrasts_speaks_of_all_arms(results: Results) -> None:
    said, _ = sentences(results, contrasts=())
    assert said.startswith("5 of 6 arms are separated from their baseline in held-out loss")
    assert "dit − zigzag-8" in said


def test_answer_calls_what_is_paired_by_its_axis(results: Results) -> None:
    runs = tuple(replace(run, seed=f"digits, {run.seed}") for run in results.runs)
    frame = results.frame.assign(seed_label=[f"digits, {label}" for label in results.frame["seed_label"]])
    for contrasts in ((), synthetic.suite().contrasts):
        found = Results(synthetic.suite(contrasts=contrasts), runs, frame)
        said = [*map(str, answer(found)), *tables.effect_table(found).notes]
        assert all("seed" not in sentence for sentence in said)
        assert "3 paired blocks" in said[0]


def test_answer_of_one_seed_claims_no_interval(tmp_path: Path) -> None:
    suite = synthetic.suite()
    cells = [cell for cell in synthetic.cells(suite) if cell.spec.seed == 0]
    for cell in cells:
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 0.5), log=False)
    said = [str(s) for s in answer(join(suite, cells, tmp_path))][:-1]
    assert all("one seed that both have: no interval" in sentence for sentence in said)


def test_index_lists_reports_and_names_broken_ones(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "squares")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "summary.json").write_text("{")
    text = words(report.write_index(tmp_path, command="zigbench report --all"))
    assert "The order matters" in text
    assert "21 of 21 runs finished" in text
    assert "The report in broken cannot be read" in text
    assert json.loads((out / "summary.json").read_text())["hardware"].startswith("cpu")


def test_empty_index_says_so(tmp_path: Path) -> None:
    assert "There is no report yet" in words(report.write_index(tmp_path / "new", command="c"))


def test_reports_never_import_torch() -> None:
    code = "import sys, zigbench.report; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_runs_done_with_other_code_than_submitted_are_named(root, suite, cells):
    found = join(suite, cells, root)
    assert provenance.code_warnings(found) == ()
    first, *others = found.runs
    facts = {**first.record.environment, "submitted_code": {"commit": "another"}}
    strayed = replace(first, record=first.record.model_copy(update={"environment": facts}))
    (said,) = provenance.code_warnings(replace(found, runs=(strayed, *others)))
    assert said.startswith(f"1 run was done with other code than submitted with: {first.cell.name}.")


def test_pages_of_runs_are_written_on_request_or_for_one_run(
    tmp_path: Path, root: Path, suite: Suite, cells: list[Cell]
) -> None:
    report.write(suite, cells, root=root, out=tmp_path / "all", command=COMMAND)
    assert not (tmp_path / "all" / "runs").exists()
    report.write(suite, cells[:1], root=root, out=tmp_path / "one", command=COMMAND)
    assert [path.stem for path in (tmp_path / "one" / "runs").glob("*.html")] == [cells[0].spec.id]


def test_a_contrast_without_its_arm_is_named(results: Results) -> None:
    sentence, _ = sentences(results, contrasts=(Contrast("peano-8", "zigzag-8", "another curve"),))
    assert sentence == "Another curve: not tested: arm peano-8 missing."
