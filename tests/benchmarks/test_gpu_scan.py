"""The script for a GPU, as far as it goes without one: what its gate lets through, and which times it compares."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from backbones.ops import reference
from zigbench.report import benchmarks

pytest.importorskip("triton")


@pytest.fixture
def gpu_scan(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import gpu_scan

    return gpu_scan


@pytest.mark.parametrize("wrong_from", [9, 10])
def test_inference_is_held_against_the_reference_at_every_length_that_is_timed(
    gpu_scan: ModuleType, monkeypatch: pytest.MonkeyPatch, wrong_from: int
) -> None:
    def forward(inputs: Any, save: bool) -> Any:
        y, state = reference.scan_forward(inputs, save)
        return (y if save or inputs.u.shape[1] < wrong_from else 1.1 * y), state

    monkeypatch.setattr(gpu_scan, "triton_scan", SimpleNamespace(**{**vars(reference), "scan_forward": forward}))
    monkeypatch.setattr(gpu_scan, "triton_conv", reference)
    found = gpu_scan.gate(6, 4, [3, 5], [(1, 7), (2, 9)])
    failed = [(entry["op"], entry["batch"], entry["length"]) for entry in found if not entry["passed"]]
    assert failed == ([("inference", 2, 9)] if wrong_from == 9 else [])


def test_rows_are_read_as_files_of_pytest_benchmark(gpu_scan: ModuleType, tmp_path: Path) -> None:
    row = {"implementation": "triton", "pass": "both", "order": "identity", "batch": 2, "length": 64, "channels": 8,
           "dtype": "torch.bfloat16", "seconds": [1.0, 2.0, 3.0], "median": 2.0, "clock": "graph", "share": 0.5,
           "extra_bytes": 4 * 2 * 64 * 8}  # fmt: skip
    around = {"device": "NVIDIA Some GPU", "torch": "2.9"}
    result = {"environment": around, "gate": [{"passed": True}], "datetime": "2026-11-21T10:00:00", "rows": [row]}
    (tmp_path / "gpu.json").write_text(json.dumps(gpu_scan.as_benchmarks(result)))
    read = benchmarks.read(tmp_path / "gpu.json")
    assert (read.machine, read.note) == ("NVIDIA Some GPU", "1 of 1 checks against float64 passed before anything was "
                                         "timed. torch 2.9.")  # fmt: skip
    (timing,) = read.timings
    assert (timing.implementation, timing.order, timing.mode) == ("ours", "natural", "forward and backward")
    assert (timing.batch, timing.channels, timing.length, timing.seconds) == (2, 8, 64, 2.0)
    assert (timing.share, timing.extra) == (0.5, 2.0)


def test_times_by_unlike_clocks_are_not_divided(gpu_scan: ModuleType) -> None:
    def row(name: str, median: float, clock: str, length: int) -> dict[str, Any]:
        same = {"pass": "forward", "order": "identity", "batch": 1, "length": length, "host_median": 1.0, "share": 0.5}
        return {"implementation": name, "median": median, "clock": clock, **same}

    rows = [row("triton", 1.0, "graph", 8), row("mamba-ssm", 3.0, "graph", 8)]
    rows += [row("triton", 1.0, "graph", 9), row("mamba-ssm", 3.0, "host", 9)]
    ratios = [line.split()[-1] for line in gpu_scan.table(rows).splitlines() if line.startswith("triton")]
    assert ratios == ["3.00", "unlike"]
