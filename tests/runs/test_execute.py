"""Laws of a run's record beside its figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite import binding

from zigbench.records.record import Record

RUN = """
import sys
from pathlib import Path
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.spec import RunSpec

spec = RunSpec.parse({
    "task": "efficiency", "backbone.name": sys.argv[1], "backbone.config.width": 16, "backbone.config.depth": 2,
    "data.name": "shape", "data.config.height": 4, "data.config.width": 4, "efficiency.seconds": 1e-3,
    "efficiency.device": "cpu",
})
folder = RunFolder.of(spec, Path("runs"))
folder.submit(spec)
print(execute(folder, cache=Path("cache"), device="cpu").id)
"""
HASWELL = {"ATEN_CPU_CAPABILITY": "avx2", "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}


@pytest.mark.parametrize(
    ("backbone", "recorded"),
    [
        ("zigma", {"torch": "AVX2", "kernels": "AVX2 (8 floats)"}),
        ("u-vit", {"torch": "AVX2"}),
    ],
)
def test_the_record_names_the_instruction_sets(backbone: str, recorded: dict[str, str], tmp_path: Path) -> None:
    if not binding.get_host_cpu_features().get("avx2"):
        pytest.skip("this processor has no AVX2")
    root = str(Path(__file__).parents[2])
    process = subprocess.run(
        [sys.executable, "-c", RUN, backbone],
        env={**os.environ, **HASWELL, "PYTHONPATH": root}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-4000:]
    record = Record.read(tmp_path / "runs" / process.stdout.split()[-1] / "record.json")
    assert record.status == "ok", record.error
    assert record.environment["instructions"] == recorded
