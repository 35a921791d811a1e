"""Stored benchmarks of both kinds become one form, a page and an answer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from zigbench import report
from zigbench.report import benchmarks

LENGTHS = (256, 1024, 4096)


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
    rows = [
        {"implementation": who, "pass": passed, "order": "random", "batch": 1, "length": n, "channels": 8,
         "states": 16, "dtype": "torch.bfloat16", "median": cost * n, "share": 0.4, "extra_bytes": 2 * 2 * 8 * n,
         "clock": "host" if who == "mamba-ssm" and n == LENGTHS[0] else "graph"}
        for n in LENGTHS
        for passed in ("forward", "both")
        for who, cost in (("triton", 1e-6), ("mamba-ssm", 1.5e-6))
    ]  # fmt: skip
    around = {"device": "NVIDIA Some GPU", "torch": "2.9"}
    return {"environment": around, "gate": [{"passed": True}] * 3, "rows": rows, "command": []}


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
    kept = {t.implementation: t.seconds for t in read.timings if t.kept}
    assert kept == {"ours": 0.25, "sequential": 2.0}
    per_length = [t for t in read.timings if t.channels == 384 and t.mode == "inference"]
    assert [t.seconds for t in per_length] == pytest.approx([50e-9 * n for n in LENGTHS])
    assert len(read.parts) == 5
    assert read.parts[-1].told == {"memory bytes": 12, "nested: x": 1.5}


def test_a_gpus_file(folder: Path) -> None:
    read = benchmarks.read(folder / "gpu.json")
    assert "3 of 3 checks" in read.note
    assert {t.extra for t in read.timings} == {2.0}
    # A time with its launches is set beside none without them.
    ours = {t.task for t in read.timings if t.implementation == "ours"}
    assert {t.length for t in read.timings if t.implementation == "mamba-ssm" and t.task in ours} == set(LENGTHS[1:])
    assert all(math.isclose(t.share, 0.4) for t in read.timings)
    assert {t.mode for t in read.timings} == {"inference", "forward and backward"}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"benchmarks": [3], "machine_info": {}}'])
def test_another_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ValueError, match=r"odd.json is no file of benchmarks"):
        benchmarks.read(tmp_path / "odd.json")


def test_the_page_answers_beside_each_peer_and_names_what_it_could_not_read(folder: Path, tmp_path: Path) -> None:
    (folder / "odd.json").write_text("{")
    page = report.write_benchmarks(folder, tmp_path / "benchmarks", command="zigbench report --benchmarks")
    text = page.read_text()
    assert "On Some Processor, 2 cores, sequential takes 32 times as long and &lt;pscan&gt; takes 14 times" in text
    assert "clearing of new pages, sequential takes 8 times as long." in text
    assert "On NVIDIA Some GPU, mamba-ssm takes 1.50 times as long" in text
    assert "odd.json is no file of benchmarks" in text
    drawn = {path.stem for path in (tmp_path / "benchmarks/figures").glob("*.svg")}
    assert drawn == {
        "laptop-length", "laptop-roofline", "laptop-peers", "gpu-length", "gpu-roofline", "gpu-memory", "gpu-peers",
    }  # fmt: skip
    # Linear by construction.
    assert text.count("slope +1.00") >= 4
    index = report.write_index(tmp_path, command="zigbench report --all").read_text()
    assert "mamba-ssm takes" in index


def test_without_files_the_page_says_so(tmp_path: Path) -> None:
    page = report.write_benchmarks(tmp_path / "none", tmp_path / "benchmarks", command="c")
    assert "There is no answer yet" in page.read_text()
