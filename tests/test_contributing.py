"""Each recipe of CONTRIBUTING.md, carried out in a copy of the tree: files written, rows added, commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECTION = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Adding a thing\n")[1].split("\n## ")[0]
RECIPES = dict(re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", SECTION, re.DOTALL | re.MULTILINE))
KINDS = ("solver", "path", "prediction", "objective", "metric", "figure", "scan curve", "backbone", "data set", "suite")

BLOCK = re.compile(
    r"```python\n# (?P<file>[\w/]+\.py)(?:, in (?P<table>\w+)|, (?P<end>at the end))?\n(?P<code>.*?)```", re.DOTALL
)
COMMANDS = re.findall(r"^(?:python -m pytest|zigbench) .*$", SECTION, re.MULTILINE)
SELECTIONS = [line.removeprefix("python -m pytest ").split(" -k ") for line in COMMANDS if "pytest" in line]

TINY = """
from zigbench.suite import Suite, grid

suite = Suite(
    name="tiny",
    question="Do the recipes work together?",
    base={
        "backbone.name": "mixer", "data.name": "gratings", "interpolant.path": "edm",
        "interpolant.prediction": "angular-velocity", "interpolant.weighting": "min-snr", "sampler.solver": "ralston",
        "objective.name": "pseudo-huber",
        "sampler.steps": 4, "training.steps": 4, "training.batch": 16, "evaluation.samples": 24,
        "evaluation.metrics": ["sharpness"], "evaluation.batch": 12, "evaluation.preview": 4,
    },
    axes=(grid("seed", (0,)),),
    metrics=("sharpness",),
    figures=("scatter",),
)
"""


def lines_of_code(code: str) -> int:
    """Count the lines that are neither blank nor a docstring on one line."""
    return sum(bool(line.strip()) and not re.fullmatch(r'\s*""".*"""', line) for line in code.splitlines())


def carry_out(recipe: str, tree: Path) -> None:
    """Write a recipe's blocks into a copy of the tree, each where its first line says."""
    for block in BLOCK.finditer(recipe):
        file = tree / block["file"]
        if block["table"]:
            text, count = re.subn(rf"(?m)^({block['table']}\b[^\n]*[({{])\n", rf"\1\n{block['code']}", file.read_text())
            if not count:  # A short table on one line.
                row = block["code"].strip().rstrip(",")
                text, count = re.subn(rf"(?m)^({block['table']}\b[^\n]*)([)}}])$", rf"\1, {row}\2", file.read_text())
            assert count == 1, (block["file"], block["table"])
            file.write_text(text)
        elif block["end"]:
            file.write_text(f"{file.read_text()}\n\n{block['code']}")
        else:
            assert file.parent.is_dir(), f"{file.parent} is no folder of the tree"
            assert not file.exists(), f"{file} is there already"
            file.write_text(block["code"])


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """Return a copy of the source and of its tests with every recipe carried out."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("zigbench", "backbones", "suites", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "slurm", "benchmarks"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for recipe in RECIPES.values():
        carry_out(recipe, folder)
    return folder


def run(tree: Path, *arguments: str) -> str:
    """Run a module of the copy and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tree,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_kind_has_a_recipe() -> None:
    assert tuple(re.sub("^An? ", "", title) for title in RECIPES) == KINDS
    for title, recipe in RECIPES.items():
        assert recipe.count("```python\n") == len(BLOCK.findall(recipe)) > 0, title
        assert any(command in recipe for command in COMMANDS), title


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_has_at_most_twenty_lines_in_one_or_two_files_and_their_test(title: str) -> None:
    blocks = list(BLOCK.finditer(RECIPES[title]))
    assert sum(lines_of_code(block["code"]) for block in blocks) <= 20
    sources = {block["file"] for block in blocks if not block["file"].startswith("tests/")}
    # A prediction comes with a weight.
    assert len(sources) <= (3 if title == "A prediction" else 2)


def test_what_a_recipe_adds_is_held_by_the_tests_it_names(tree: Path) -> None:
    # One session for all: each file with its own words.
    chosen = {tuple(files.split()): words.strip('"') for files, words in SELECTIONS}
    files = [file for files in chosen for file in files]
    words = [word for words in chosen.values() for word in words.split(" or ")]
    of_files = (
        f"(({' or '.join(Path(file).stem for file in files)}) and ({words}))" for files, words in chosen.items()
    )
    printed = run(tree, "pytest", "-q", "-rA", "-p", "no:cacheprovider", *files, "-k", " or ".join(of_files))
    passed = re.findall(r"^PASSED (.*)$", printed, re.MULTILINE)
    for word in words:
        assert any(word in name for name in passed), f"no test of {word}"


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("zigbench ")])
def test_a_command_that_a_recipe_names_knows_what_it_adds(tree: Path, command: str) -> None:
    printed = run(tree, "zigbench.cli", *command.split()[1:])
    expected = {
        "zigbench list metrics": r"sharpness",
        "zigbench list objectives": r"pseudo-huber",
        "zigbench curves compare ribbon zigzag sweep --grid 6x4": r"ribbon +6x4 +91\.3 %",  # Two jumps in 23 steps.
        "zigbench check mixer": r"passed",
        "zigbench plan solver": r"would run 9",
    }
    assert re.search(expected[command], printed), printed


def test_a_run_of_all_recipes_together_is_measured_and_drawn_on_its_page(tree: Path) -> None:
    (tree / "tiny.py").write_text(TINY)
    run(tree, "zigbench.cli", "run", "tiny.py")
    page = (tree / "reports/tiny/index.html").read_text(encoding="utf-8")
    assert "Scores of the runs" in page
    assert "1 of 1 run finished" in page
    assert list((tree / "reports/tiny").rglob("scatter.svg"))
