"""The README's examples, executed as written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import zigbench

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FILES = {m.group(1): block for block in BLOCKS if (m := re.match(r"# (\w+\.py)\n", block))}


@pytest.fixture
def examples(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_three_examples_are_there_and_short():
    assert set(FILES) == {"columns.py", "tokenwise.py", "depth.py"}
    for text in FILES.values():
        assert sum(bool(line.strip()) for line in text.splitlines()[1:]) < 20


def test_the_python_example_runs(tmp_path):
    (example,) = [block for block in BLOCKS if not block.startswith("# ")]
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0.48 < float(done.stdout) < 0.49


def test_the_curve_example_is_continuous_and_can_be_trained(examples):
    shown = zigbench("--plugin", "columns.py", "curves", "compare", "columns", "--grid", "6x5", cwd=examples)
    assert shown.returncode == 0, shown.stderr
    assert "100.0 %" in shown.stdout
    planned = zigbench(
        "--plugin", "columns.py", "plan", "quickstart", "--only", "arm=zigzag-8", "--set", "scan.curve=columns",
        cwd=examples,
    )  # fmt: skip
    assert planned.returncode == 0, planned.stderr
    assert "would run 3" in planned.stdout


def test_the_backbone_example_keeps_the_contract(examples):
    done = zigbench("--plugin", "tokenwise.py", "check", "tokenwise", cwd=examples)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_suite_example_plans(examples):
    done = zigbench("plan", "depth.py", cwd=examples)
    assert done.returncode == 0, done.stderr
    assert "would run 9" in done.stdout


def test_every_command_of_the_tour_exists():
    (tour,) = re.findall(r"## A tour in a dozen lines\n\n```\n(.*?)```", README, re.DOTALL)
    commands = [line.split("#")[0].split() for line in tour.splitlines()]
    assert len(commands) == 12
    for program, command, *_ in commands:
        assert program == "zigbench"
        shown = zigbench(command, "--help", cwd=ROOT)
        assert shown.returncode == 0, (command, shown.stderr)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("http") or (ROOT / target.partition("#")[0]).exists(), target
