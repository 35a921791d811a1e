"""Old names of public modules: each gives the module of today, with one line that says so."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from zigbench._renamed import RENAMED


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_the_module_of_today(old):
    sys.modules.pop(old, None)
    with pytest.warns(FutureWarning, match=f"{old} is now {RENAMED[old]}"):
        assert importlib.import_module(old) is importlib.import_module(RENAMED[old])


def test_an_old_spelling_of_an_import_works():
    code = (
        "from zigbench.collect import frame; from zigbench import registry; assert callable(frame) and registry.curves"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_new_names_warn_of_nothing():
    modules = sorted(set(RENAMED.values()))
    code = f"import importlib\nfor name in {modules}: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-W", "error::FutureWarning", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
