"""Files of benchmarks compared, and laid beside records."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.test_cli import zigbench
from zigbench.records import collect
from zigbench.report import benchmark_files


def stored(path: Path, **medians: float) -> Path:
    """A file as pytest-benchmark writes it; rounds lie within 1 % of their median."""

    def entry(name: str, median: float) -> dict:
        data = [median * (1 + 0.002 * (i - 5)) for i in range(11)]
        stats = {"median": median, "q1": data[2], "q3": data[8], "rounds": 11, "data": data}
        return {"name": f"test_{name}", "fullname": f"tests/x.py::test_{name}", "stats": stats, "extra_info": {}}

    machine = {"machine": "x86_64", "python_version": "3.11.7", "cpu": {"brand_raw": "A Processor"}}
    body = {"machine_info": machine, "commit_info": {"id": "c0ffee"}, "datetime": "2026-01-01T00:00:00"}
    path.write_text(json.dumps({**body, "benchmarks": [entry(*item) for item in medians.items()]}))
    return path


def test_a_change_is_called_one_only_beyond_what_the_rounds_vary(tmp_path):
    a = benchmark_files.read(stored(tmp_path / "a.json", same=1.0, slow=1.0, fast=1.0, gone=1.0))
    b = benchmark_files.read(stored(tmp_path / "b.json", same=1.03, slow=1.2, fast=0.5, new=2.0))
    found = {change.name.removeprefix("tests/x.py::test_"): change for change in benchmark_files.compare(a, b)}
    assert {name: change.verdict for name, change in found.items()} == {
        "same": "same", "slow": "slower", "fast": "faster", "new": "new", "gone": "gone",
    }  # fmt: skip
    assert found["slow"].ratio == pytest.approx(1.2)
    assert math.isnan(found["gone"].ratio)
    assert {change.verdict for change in benchmark_files.compare(a, a)} == {"same"}


def test_the_other_way_round_faster_is_slower(tmp_path):
    a = benchmark_files.read(stored(tmp_path / "a.json", x=1.0, y=3.0))
    b = benchmark_files.read(stored(tmp_path / "b.json", x=2.0, y=1.0))
    there, back = benchmark_files.compare(a, b), benchmark_files.compare(b, a)
    assert [change.verdict for change in there] == ["slower", "faster"]
    assert [change.verdict for change in back] == ["faster", "slower"]
    assert [x.ratio * y.ratio for x, y in zip(there, back, strict=True)] == pytest.approx([1.0, 1.0])


def test_they_stand_in_the_frame_of_the_records(tmp_path):
    folder = tmp_path / "results" / "benchmarks"
    folder.mkdir(parents=True)
    stored(folder / "here.json", scan=0.25)
    (folder / "other.json").write_text('{"rows": []}')
    table = benchmark_files.frame(folder)
    assert set(collect.COLUMNS) <= set(table.columns)
    (row,) = table.to_dict("records")
    assert (row["run"], row["metric"], row["value"]) == ("here:tests/x.py::test_scan", "latency", 0.25)
    assert row["low"] < 0.25 < row["high"]
    record = pd.DataFrame([{**dict.fromkeys(collect.COLUMNS), "run": "r", "value": 1.0, "seed": 0}])
    both = collect.joined(record.astype(collect.FLOATS), table)
    assert list(both["run"]) == ["r", "here:tests/x.py::test_scan"]
    assert both["value"].dtype == float
    assert collect.joined(record, benchmark_files.frame(tmp_path / "none")) is record


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"benchmarks": [{"name": "x"}], "machine_info": {}}'])
def test_a_file_that_is_none_is_named(tmp_path, text):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"wrong\.json is no file of pytest-benchmark"):
        benchmark_files.read(path)


def test_two_files_are_compared_by_command(tmp_path):
    stored(tmp_path / "a.json", scan=1.0, block=1.0)
    stored(tmp_path / "b.json", scan=2.0, block=1.0)
    done = zigbench("compare", "a.json", "b.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 same, 1 slower" in done.stdout or "1 slower, 1 same" in done.stdout
    assert "2.00" in done.stdout
    done = zigbench("collect", "--csv", "all.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    missing = zigbench("compare", "a.json", "none.json", cwd=tmp_path)
    assert missing.returncode == 2
    assert "none.json" in missing.stderr
