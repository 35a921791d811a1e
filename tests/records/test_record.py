"""Laws of records: whole or absent, and any change of their bytes is noticed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.records.environment import code_of, environment, is_checkout
from zigbench.records.record import DamagedRecordError, Failure, Measurement, Record
from zigbench.spec import spec_id

FINITE = st.floats(allow_nan=False, allow_infinity=False)
MEASUREMENTS = st.builds(
    Measurement,
    name=st.text(min_size=1, max_size=8),
    value=st.none() | FINITE,
    unit=st.sampled_from(["", "s", "B"]),
    samples=st.lists(FINITE, max_size=3).map(tuple),
    interval=st.none() | st.tuples(FINITE, FINITE),
)
SPECS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3)


@st.composite
def records(draw: st.DrawFn) -> Record:
    spec = draw(SPECS)
    error = draw(st.none() | st.builds(Failure, kind=st.text(max_size=5), message=st.text(max_size=9)))
    measurements = tuple(draw(st.lists(MEASUREMENTS, max_size=3)))
    return Record(id=spec_id(spec), status="ok", spec=spec, measurements=measurements, error=error)


@given(records())
def test_a_record_reads_back_as_it_was_written(record):
    assert Record.from_json(record.to_json()) == record


@given(records(), st.data())
def test_a_truncated_record_is_noticed(record, data):
    text = record.to_json().rstrip()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(DamagedRecordError):
        Record.from_json(text[:cut])


@given(records(), FINITE)
def test_an_edited_figure_is_noticed(record, value):
    body = json.loads(record.to_json())
    if not body["measurements"] or body["measurements"][0]["value"] == value:
        return
    body["measurements"][0]["value"] = value
    with pytest.raises(DamagedRecordError, match="checksum"):
        Record.from_json(json.dumps(body))


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e999", '"\\ud800"', "9" * 5000, "[" * 900 + "]" * 900, "[" * 100_000]
)
def test_a_value_that_no_record_can_hold_is_damage(value):
    text = Record(id=spec_id({}), status="ok", spec={}, environment={"figure": 1.5}).to_json()
    assert text.count("1.5") == 1
    with pytest.raises(DamagedRecordError, match=r"here\.json: .*(edited|truncated)"):
        Record.from_json(text.replace("1.5", value), "here.json")


def test_a_record_of_another_spec_is_noticed():
    record = Record(id="0" * 16, status="ok", spec={"a": 1})
    with pytest.raises(DamagedRecordError, match="hashes to"):
        Record.from_json(record.to_json())


def test_another_schema_is_named():
    record = Record(id=spec_id({}), status="ok", spec={}, schema_version=99)
    with pytest.raises(DamagedRecordError, match="schema version is 99"):
        Record.from_json(record.to_json())


def test_a_binary_file_is_damaged(tmp_path):
    (tmp_path / "record.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedRecordError, match="not text"):
        Record.read(tmp_path / "record.json")


def test_the_environment_names_code_and_machine():
    found = environment(device="cpu")
    assert found["packages"]["torch"]
    assert found["machine"]["cores"] >= 1
    assert {"commit", "dirty"} <= set(found["code"]) <= {"commit", "dirty", "changes", "plugins"}
    assert found["device"] == "cpu"
    json.dumps(found)


def test_two_states_of_one_commit_are_told_apart(tmp_path):
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    assert code_of(tmp_path) == {"commit": None, "dirty": None}
    source, unrelated = tmp_path / "checkout/zigbench/a.py", tmp_path / "checkout/notes"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1\n")
    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=one")
    clean = code_of(source.parents[1])
    assert clean["dirty"] is False
    unrelated.write_text("not a source")
    assert code_of(source.parents[1]) == clean

    def changes(text: str, path: Path = source) -> str:
        path.write_text(text)
        found = code_of(source.parents[1])
        assert (found["commit"], found["dirty"]) == (clean["commit"], True)
        return str(found["changes"])

    two, three = changes("a = 2\n"), changes("a = 3\n")
    git("add", "checkout/zigbench")
    assert changes("a = 3\n") == three
    added = changes("b = 1\n", source.with_name("b.py"))
    source.unlink()
    gone = changes("b = 1\n", source.with_name("b.py"))
    assert len({two, three, added, gone}) == 4
    source.write_text("a = 1\n")
    source.with_name("b.py").unlink()
    assert code_of(source.parents[1]) == clean


def test_the_repository_around_an_installed_package_is_not_its_code(tmp_path):
    site = tmp_path / "my-paper/.venv/site-packages"
    (site / "zigbench").mkdir(parents=True)
    (site / "zigbench/a.py").write_text("a = 1\n")
    (tmp_path / "my-paper/paper.tex").write_text("hello\n")
    for arguments in (
        ["init", "--quiet"],
        ["add", "paper.tex"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=paper"],
    ):
        subprocess.run(["git", "-C", str(tmp_path / "my-paper"), *arguments], check=True, capture_output=True)
    assert code_of(site) == {"commit": None, "dirty": None}
    assert not is_checkout(site)
    assert is_checkout(Path(__file__).parents[2]) == (Path(__file__).parents[2] / ".git").exists()
