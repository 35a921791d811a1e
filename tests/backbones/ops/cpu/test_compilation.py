"""Kernels kept on disk are those of the sources at hand."""

from __future__ import annotations

import ast
import gc
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import backbones
from backbones.ops.cpu import compilation

ADDS_ONE = """
import numba
import numpy as np
from numba import int64
from backbones.ops.cpu.compilation import compiled, kernel

@kernel
def add(arguments):
    numba.carray(arguments, (1,), np.int64)[0] += 1

@compiled(int64(int64))
def next_to(x):
    return x + 1
"""


@pytest.fixture
def adds(tmp_path, monkeypatch):
    """Imports the two, as a new process would."""
    path = tmp_path / "adds.py"
    path.write_text(ADDS_ONE)

    def imported() -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        gc.collect()  # No machine code is left over from the import before.
        return module

    return imported


def hits(module: ModuleType) -> tuple[int, int]:
    """Times that the kernel, and the function, were loaded and not compiled."""
    return module.add.cache_hits, sum(module.next_to.stats.cache_hits.values())


def test_a_kernel_is_compiled_once_and_again_when_a_source_that_it_takes_from_has_changed(adds, monkeypatch):
    assert hits(adds()) == (0, 0)
    assert hits(adds()) == (1, 1)
    with monkeypatch.context() as changed:
        changed.setattr(compilation, "SOURCES", "others")
        assert hits(adds()) == (0, 0)
        assert hits(adds()) == (1, 1)
    assert hits(adds()) == (1, 1)
    assert adds().next_to(41) == 42


def taken_from(path: Path) -> set[str]:
    """Modules of the backbones that this one imports."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {n.module for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("backbones.")}


def test_the_sources_are_all_that_kernels_take_from():
    root = Path(backbones.__file__).parent
    with_kernels = [p for p in root.rglob("*.py") if "backbones.ops.cpu.compilation" in taken_from(p)]
    assert len(with_kernels) >= 4
    covered = {".".join(path.relative_to(root.parent).with_suffix("").parts) for path in compilation.FILES}
    assert {module for path in with_kernels for module in taken_from(path)} <= covered
