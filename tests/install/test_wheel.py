"""A wheel, installed where nothing else of the project is, works on a machine that grants as little as it may."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from zigbench.records.record import Record
from zigbench.spec.files import digest_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("zigbench", "backbones", "suites")
SUITE = """
from zigbench.suite import Suite, grid

suite = Suite(
    name="tiny",
    question="Läuft es?",
    base={
        "backbone.name": "u-vit", "backbone.config.width": 16, "backbone.config.depth": 2,
        "data.name": "digits", "training.steps": 2, "training.batch": 4, "evaluation.metrics": ["held_out_loss"],
    },
    axes=(grid("seed", (0,), name="seed"),),
    metrics=("held_out_loss",),
)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the committed and new files; no stale build is in it."""
    pytest.importorskip("setuptools", minversion="77")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    code = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, out], cwd=source, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-2000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as installed into the environment of somebody's own repository, where nobody may write."""
    paper = tmp_path_factory.mktemp("paper")
    site = paper / ".venv" / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    (paper / ".gitignore").write_text(".venv/\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "my paper"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=paper, check=True)
    for path in (*paper.rglob("*"), paper):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return site


def obey_permissions() -> None:
    """Give up root's right to write what its permissions forbid, and so be a user like any other."""
    if os.getuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: gone with the next exec
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def zigbench(site: Path, work: Path, *words: str) -> str:
    """Run the command as a user without home or language, and without assertions; return what it prints."""
    drop = ("PYTHONPATH", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "USER", "LOGNAME", "LANG", "LC_CTYPE")
    env = {name: value for name, value in os.environ.items() if name not in drop}
    env |= {
        "PYTHONPATH": str(site), "HOME": "/proc", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "PYTHONOPTIMIZE": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-m", "zigbench.cli", *words],
        cwd=work, env=env, capture_output=True, encoding="utf-8", preexec_fn=obey_permissions,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder of this user."""
    (tmp_path / "tiny.py").write_text(SUITE, encoding="utf-8")
    return tmp_path


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - names == set()
    assert {name.split("/")[0] for name in names - files} == {next(n for n in names if "dist-info" in n).split("/")[0]}


def test_a_suite_is_run_and_reported_far_from_any_checkout(site: Path, work: Path) -> None:
    assert "quickstart" in zigbench(site, work, "list", "suites")
    zigbench(site, work, "run", "tiny.py")
    (path,) = (work / "results" / "runs").glob("*/record.json")
    record = Record.read(path)
    assert record.status == "ok", record.error
    digest = digest_of(work, ["tiny.py"])
    assert record.environment["code"] == {"commit": None, "dirty": None, "plugins": {"tiny.py": digest}}
    assert json.loads((path.parent / "spec.json").read_bytes())
    assert "1 ok" in zigbench(site, work, "status", "tiny.py")
    (page,) = (work / "reports").glob("*/index.html")
    assert "Läuft es?" in page.read_text(encoding="utf-8")
