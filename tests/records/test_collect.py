"""Laws of collecting: a row per measurement, nothing dropped in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zigbench.records import collect
from zigbench.records.folder import RunFolder
from zigbench.records.record import Failure, Measurement, Record
from zigbench.spec import RunSpec


@pytest.fixture
def runs(tmp_path, tiny):
    """Three runs: two measured, one failed."""
    folders = []
    for seed in range(3):
        spec = RunSpec.parse({**tiny, "seed": seed})
        run = RunFolder.of(spec, tmp_path)
        run.submit(spec)
        measured = (
            Measurement(name="loss", value=0.5 + seed, interval=(0.1, 0.9), samples=(1.0, 2.0)),
            Measurement(name="parameters", value=10),
        )
        error = Failure(kind="ValueError", message="no luck") if seed == 2 else None
        Record(
            id=run.id,
            status="failed" if error else "ok",
            spec=spec.resolved(),
            measurements=() if error else measured,
            environment={"device": "cpu", "machine": {"cpu": "a cpu"}},
            error=error,
        ).write(run.record)
        folders.append(run)
    return tmp_path, folders


def test_a_row_for_each_measurement_and_one_for_a_failure(runs):
    root, _ = runs
    table = collect.frame(root)
    assert len(table) == 2 + 2 + 1
    assert set(table["scan.curve"]) == {"zigzag"}
    assert set(table["environment.machine.cpu"]) == {"a cpu"}
    failed = table[table["status"] == "failed"]
    assert failed["metric"].isna().all()
    assert list(failed["error"]) == ["no luck"]
    assert list(table.columns[: len(collect.COLUMNS)].sort_values()) == sorted(collect.COLUMNS)


def test_the_wide_view_has_a_row_for_each_run(runs):
    root, folders = runs
    view = collect.wide(collect.frame(root))
    assert set(view.index) == {run.id for run in folders}
    by_seed = view.set_index("seed")["loss"]
    assert by_seed[0] == 0.5
    assert by_seed[1] == 1.5
    assert by_seed.isna()[2]


def test_damaged_and_misplaced_records_are_listed(runs):
    root, folders = runs
    folders[0].record.write_text(folders[0].record.read_text()[:-20])
    (root / "elsewhere").mkdir()
    folders[1].record.rename(root / "elsewhere" / "record.json")
    found = collect.scan(root)
    assert len(found.records) == 1
    reasons = " ".join(d.reason for d in found.damaged)
    assert "truncated or edited" in reasons
    assert "lies in the folder of another run" in reasons


def test_a_figure_that_is_no_number_spoils_its_own_record_alone(runs):
    root, folders = runs
    folders[1].record.write_text(folders[1].record.read_text().replace("1.5", "NaN"))
    found = collect.scan(root)
    assert {record.id for _, record in found.records} == {folders[0].id, folders[2].id}
    (damaged,) = found.damaged
    assert damaged.reason.startswith(str(folders[1].record))


def test_nothing_is_an_empty_frame(tmp_path):
    table = collect.frame(tmp_path / "none")
    assert table.empty
    assert list(table.columns) == list(collect.COLUMNS)


def test_only_reads_what_is_asked_for(runs):
    root, folders = runs
    found = collect.scan(root, only=[folders[0].id, "absent"])
    assert [record.id for _, record in found.records] == [folders[0].id]


def test_every_column_is_explained_in_the_guide():
    text = (Path(__file__).parents[2] / "docs/guides/reports.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## The frame\n(.*?)^## ", text, re.M | re.S)
    explained = set(re.findall(r"`([\w.]+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.M))))
    assert explained >= {*collect.COLUMNS, "suite", "arm", "seed_label"}
