"""Kernels kept on disk are those of the sources at hand."""

from __future__ import annotations

import ast
import ctypes
import gc
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable
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


def in_a_process(folder: Path, obey: Callable[[], None] | None = None, **variables: str) -> list[str]:
    """Import the two in a process of its own; return its hits, a result, and the lines of its warnings."""
    code = "import adds; print(adds.add.cache_hits, sum(adds.next_to.stats.cache_hits.values()), adds.next_to(41))"
    root = str(Path(backbones.__file__).parents[1])
    env = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    env |= {"PYTHONPATH": f"{folder}{os.pathsep}{root}", "PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, preexec_fn=obey)
    assert done.returncode == 0, done.stderr[-4000:]
    return [*done.stdout.split(), *done.stderr.splitlines()]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the processors named are x86's")
def test_the_cache_holds_machine_code_of_each_processor(adds, tmp_path):
    def compiled_for(processor: str) -> list[str]:
        chosen = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        return in_a_process(tmp_path, **chosen)

    assert compiled_for("x86-64") == ["0", "0", "42"]
    assert compiled_for("nehalem") == ["0", "0", "42"]
    assert compiled_for("x86-64") == ["1", "1", "42"]


def obey_permissions() -> None:
    """Give up root's right to write what its permissions forbid, and so be a user like any other."""
    if os.getuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: gone with the next exec
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def test_where_nothing_can_be_written_each_process_compiles(adds, tmp_path):
    tmp_path.chmod(0o555)
    *hits_and_result, warned = in_a_process(tmp_path, obey_permissions, HOME="/proc")
    assert hits_and_result == ["0", "0", "42"]
    assert warned.endswith("no folder for their cache can be written; set NUMBA_CACHE_DIR to a folder of yours")


def test_damaged_files_of_the_cache_are_compiled_anew(adds, tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert in_a_process(tmp_path, **cache) == ["0", "0", "42"]
    for path in (tmp_path / "cache").rglob("*.nb[ic]"):
        path.write_bytes(path.read_bytes()[:20])
    hits_and_result = in_a_process(tmp_path, **cache)[:3]
    assert hits_and_result == ["0", "0", "42"]


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
