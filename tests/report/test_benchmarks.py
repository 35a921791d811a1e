"""Files of pytest-benchmark become a page, an answer, and rows beside the records."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.processes import zigbench
from zigbench import report
from zigbench.records import collect
from zigbench.report import benchmarks

LENGTHS = (256, 1024, 4096)
STORED = Path(__file__).parents[2] / "results/benchmarks/two-core-xeon.json"


def entry(name: str, told: dict[str, Any]) -> dict[str, Any]:
    stats = {"median": 2e-3, "q1": 1e-3, "q3": 3e-3, "rounds": 5}
    return {"name": f"test_{name}", "fullname": f"tests/x.py::test_{name}", "stats": stats, "extra_info": told}


def of_a_processor() -> dict[str, Any]:
    against = {
        "shape": [1, 1536, 1024], "mode": "inference", "seconds": {"ours": 0.5, "sequential": 16.0, "<pscan>": 7.0},
        "seconds, memory kept": {"ours": 0.25, "sequential": 2.0}, "share of arithmetic roof": 0.6,
    }  # fmt: skip
    lengths = [
        {"L": n, "dtype": "torch.float32", "ns per token": 50.0, "ns per token, forward and backward": 200.0,
         "share of arithmetic roof": 0.5}
        for n in LENGTHS
    ]  # fmt: skip
    return {
        "machine_info": {"python_version": "3.11.7", "cpu": {"brand_raw": "Some Processor", "count": 2}},
        "commit_info": {"id": "0123456789abcdef", "dirty": True},
        "datetime": "2026-11-21T10:47:13",
        "benchmarks": [
            entry("scan_against_peers[1x1536x1024-inference]", against),
            *(entry(f"scan_against_length[{told['L']}-float32]", told) for told in lengths),
            entry("a_thousand_runs", {"memory_bytes": 12, "nested": {"x": 1.5}, "word": "w"}),
        ],
    }


def of_a_gpu() -> dict[str, Any]:
    """A file as the kernels' script for GPUs writes it: one implementation an entry."""

    def row(who: str, mode: str, n: int, seconds: float) -> dict[str, Any]:
        launches = ", with its launches" if who == "mamba-ssm" and n == LENGTHS[0] else ""
        info = {"shape": [1, 8, n], "mode": mode + launches, "dtype": "torch.bfloat16", "seconds": {who: seconds},
                "share of arithmetic roof": 0.4, "extra": 2.0}  # fmt: skip
        return entry(f"scan[{who}-{mode}-{n}]", info)

    entries = [
        row(who, mode, n, cost * n)
        for n in LENGTHS
        for mode in ("inference", "forward and backward")
        for who, cost in (("ours", 1e-6), ("mamba-ssm", 1.5e-6))
    ]
    machine = {"python_version": "3.11.7", "cpu": {"brand_raw": "NVIDIA Some GPU"}}
    return {"machine_info": machine, "datetime": "2026-11-21", "benchmarks": entries, "note": "3 of 3 checks passed."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stored").mkdir()
    for name, body in (("laptop", of_a_processor()), ("gpu", of_a_gpu())):
        (tmp_path / "stored" / f"{name}.json").write_text(json.dumps(body))
    return tmp_path / "stored"


def test_a_processors_file(folder: Path) -> None:
    read = benchmarks.read(folder / "laptop.json")
    assert (read.machine, read.day, read.commit) == ("Some Processor, 2 cores", "2026-11-21", "0123456789 and changes")
    assert {t.implementation for t in read.timings if t.channels == 1536} == {"ours", "sequential", "<pscan>"}
    reused = {t.implementation: t.seconds for t in read.timings if t.memory_reused}
    assert reused == {"ours": 0.25, "sequential": 2.0}
    per_length = [t for t in read.timings if t.channels == 384 and t.mode == "inference"]
    assert [t.seconds for t in per_length] == pytest.approx([50e-9 * n for n in LENGTHS])
    assert len(read.tests) == 5


def test_a_gpus_file(folder: Path) -> None:
    read = benchmarks.read(folder / "gpu.json")
    assert "3 of 3 checks" in read.note
    assert {t.extra for t in read.timings} == {2.0}
    # A time with its launches is not compared with one without them.
    ours = {t.task for t in read.timings if t.implementation == "ours"}
    assert {t.length for t in read.timings if t.implementation == "mamba-ssm" and t.task in ours} == set(LENGTHS[1:])
    assert all(math.isclose(t.share, 0.4) for t in read.timings)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"benchmarks": [3], "machine_info": {}}'])
def test_another_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ValueError, match=r"odd\.json is no file of pytest-benchmark"):
        benchmarks.read(tmp_path / "odd.json")


def test_they_stand_in_the_frame_of_the_records(folder: Path, tmp_path: Path) -> None:
    (folder / "other.json").write_text('{"rows": []}')
    frame = benchmarks.frame(folder)
    assert set(collect.COLUMNS) <= set(frame.columns)
    assert len(frame) == len(of_a_processor()["benchmarks"]) + len(of_a_gpu()["benchmarks"])
    assert set(frame["metric"]) == {"latency"}
    assert (frame["low"] <= frame["value"]).all()
    record = pd.DataFrame([{**dict.fromkeys(collect.COLUMNS), "run": "r", "value": 1.0, "seed": 0}])
    both = collect.joined(record.astype(collect.FLOATS), frame)
    assert both["run"].iloc[0] == "r"
    assert both["value"].dtype == float
    assert collect.joined(record, benchmarks.frame(tmp_path / "none")) is record


def test_two_files_are_compared_by_command(tmp_path: Path) -> None:
    stored = json.loads(STORED.read_text())
    stored["benchmarks"] = stored["benchmarks"][:3]
    (tmp_path / "a.json").write_text(json.dumps(stored))
    for test in stored["benchmarks"]:
        test["stats"]["median"] *= 2
    (tmp_path / "b.json").write_text(json.dumps(stored))
    done = zigbench("compare", "a.json", str(tmp_path / "b.json"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("+100.0%") == 3
    done = zigbench("collect", "--csv", "all.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    missing = zigbench("compare", "a.json", "none.json", cwd=tmp_path)
    assert missing.returncode == 2
    assert "none.json" in missing.stderr


def test_the_page_answers_beside_each_peer_and_names_what_it_could_not_read(folder: Path, tmp_path: Path) -> None:
    (folder / "odd.json").write_text("{")
    page = report.write_benchmarks(folder, tmp_path / "benchmarks", command="zigbench report --benchmarks")
    text = page.read_text()
    assert "On Some Processor, 2 cores, sequential takes 32 times as long and &lt;pscan&gt; takes 14 times" in text
    assert "clears no new pages, sequential takes 8 times as long." in text
    assert "On NVIDIA Some GPU, mamba-ssm takes 1.50 times as long" in text
    assert "odd.json is no file of pytest-benchmark" in text
    drawn = {path.stem for path in (tmp_path / "benchmarks/figures").glob("*.svg")}
    assert drawn == {
        "laptop-length", "laptop-roofline", "laptop-peers", "gpu-length", "gpu-roofline", "gpu-memory", "gpu-peers",
    }  # fmt: skip
    # Linear by construction.
    assert text.count("exponent +1.00") >= 4
    index = report.write_index(tmp_path, command="zigbench report --all").read_text()
    assert "mamba-ssm takes" in index


def test_without_files_the_page_says_so(tmp_path: Path) -> None:
    page = report.write_benchmarks(tmp_path / "none", tmp_path / "benchmarks", command="c")
    assert "There is no answer yet" in page.read_text()
