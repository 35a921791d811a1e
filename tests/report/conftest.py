"""One populated results folder for all tests that only read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import synthetic

from zigbench.report import results as results_module
from zigbench.suite import Cell, Suite


@pytest.fixture(scope="session")
def suite() -> Suite:
    return synthetic.suite()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def cells(root: Path, suite: Suite) -> list[Cell]:
    return synthetic.populate(root, suite)


@pytest.fixture(scope="session")
def results(root: Path, suite: Suite, cells: list[Cell]) -> results_module.Results:
    return results_module.join(suite, cells, root)
