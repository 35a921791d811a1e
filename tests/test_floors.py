"""The floors hold, and the check that says so fails when they do not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(folder)})


@pytest.fixture
def copy(tmp_path):
    for name in ("zigbench", "backbones", "suites"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("zigbench/runs/execute.py", "from backbones import zigma", "The engine knows no concrete backbone"),
        ("zigbench/spec/base.py", "from zigbench import suite", "Floors"),
        ("zigbench/records/collect.py", "import torch", "never import torch"),
        ("backbones/zigma.py", "from zigbench import training", "Floors"),
        ("backbones/zigma.py", "from zigbench import check", "Floors"),
        ("backbones/zigma.py", "from suites import quickstart", "Backbones know no suite"),
        ("suites/quickstart.py", "import torch", "Suites are data"),
        ("suites/quickstart.py", "from zigbench import scan", "Suites are data"),
        ("suites/quickstart.py", "from backbones import matched", "Suites are data"),
    ],
)
def test_an_import_that_goes_up_is_caught(copy, file, line, broken):
    path = copy / file
    path.write_text(path.read_text() + f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert any(broken in found and "BROKEN" in found for found in done.stdout.splitlines()), done.stdout


def test_the_floors_hold(copy):
    done = lint(copy)
    assert done.returncode == 0, done.stdout


def test_contributing_shows_the_floors_that_are_checked():
    table = re.findall(r"^\| (\d+) \| (.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    shown = [set(re.findall(r"`(.*?)`", rooms)) for _, rooms in table]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert shown == [set(re.split(r"\s*[|:]\s*", layer)) for layer in layers]
