"""The one command for a GPU, as far as it goes without one: its parts, what becomes a row, and its pack."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("triton")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import gpu

    return gpu


def _part(gpu: ModuleType, code: str, limit: float = 60) -> object:
    return gpu.Part("by hand", ("-c", code), limit)


def test_a_part_that_ends_well_fails_or_has_no_time_is_a_row(gpu: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    assert gpu.run(_part(gpu, "print('well')"), 60, log).outcome == "done"
    assert log.read_text() == "well\n"
    failed = gpu.run(_part(gpu, "raise SystemExit('out of memory')"), 60, log)
    assert (failed.outcome, failed.reason) == ("failed", "out of memory")
    assert gpu.run(_part(gpu, "import time; time.sleep(60)", limit=0.5), 60, log).outcome == "no time"
    assert gpu.run(_part(gpu, "print('never')"), 0.5, log).reason == "the time of the whole was spent"


def test_the_order_of_the_parts_is_that_of_a_gpu_in_the_dry_mode_too(gpu: ModuleType, tmp_path: Path) -> None:
    real, dry = (gpu.parts(tmp_path, "NVIDIA H200", dry) for dry in (False, True))
    assert [part.name for part in real] == [part.name for part in dry]
    assert sum(part.name.startswith("training, ") for part in real) == 3
    assert not any("miniature" in part.arguments for part in real)


def test_every_part_names_a_program_that_runs(gpu: ModuleType, tmp_path: Path) -> None:
    for part in gpu.parts(tmp_path, "NVIDIA H200", dry=False):
        first, *rest = part.arguments
        if first == "-m":
            assert importlib.util.find_spec(f"{rest[0]}.__main__") is not None
        else:
            assert Path(first).exists()


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA H200", "H200"), ("NVIDIA H100 80GB HBM3", "H100"), ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"), ("NVIDIA B200", "B200"), ("Tesla T4", None),
    ],
)  # fmt: skip
def test_a_device_finds_its_data_sheet(gpu: ModuleType, device: str, name: str | None) -> None:
    assert gpu.chip(device) == name


def test_predicted_stands_beside_measured_where_the_shapes_agree(gpu: ModuleType, tmp_path: Path) -> None:
    shape = {"batch": 1, "length": 64, "channels": 8, "states": 4}
    same = {"pass": "forward", "order": "random", "implementation": "triton", "median": 3e-6, **shape}
    rows = [same, {**same, "length": 65}, {**same, "order": "identity"}, {**same, "pass": "both"}]
    (tmp_path / "scan.json").write_text(json.dumps({"rows": rows}))
    seconds = {"scan, local pass": 1e-6, "scan, carries": 2e-6, "scan, last pass": 4e-6, "scan, backward": 9e-6}
    read = {"shape": shape, "rows": [{"kernel": name, "seconds": value} for name, value in seconds.items()]}
    assert gpu.compared(tmp_path) == []
    (tmp_path / "predicted.json").write_text(json.dumps(read))
    (pair,) = gpu.compared(tmp_path)
    assert (pair["length"], pair["measured"]) == (64, 3e-6)
    assert pair["predicted"] == pytest.approx(7e-6)
    assert "predicted 7.0 µs (ours), measured 3.0 µs" in gpu.table([], [pair])


def test_everything_is_packed_even_where_no_part_had_time(
    gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--dry", "--seconds", "0", "--out", str(tmp_path / "gpu")])
    (tmp_path / "gpu").mkdir()
    (tmp_path / "gpu" / "scan.json").write_text("of an earlier call")
    assert gpu.main() == 0
    with zipfile.ZipFile(tmp_path / "gpu.zip") as archive:
        assert archive.namelist() == ["summary.json"]
        summary = json.loads(archive.read("summary.json"))
    assert summary["dry"]
    assert {"packages", "machine"} <= set(summary["environment"])
    parts = gpu.parts(tmp_path, "cpu", True)
    assert [row["outcome"] for row in summary["parts"][: len(parts)]] == ["no time"] * len(parts)
