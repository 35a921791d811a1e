"""Laws of starting processes: the working directory shadows nothing, and lines of other versions are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zigbench.runs.process import Options, RunOptions, WorkerOptions, command, describe_exit

OWN = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, tiny) -> Path:
    """A working directory with a suite, and with packages of the user's own that have our packages' names."""
    (tmp_path / "tiny.py").write_text(
        "from zigbench.suite import Suite, grid\n"
        f"suite = Suite(name='tiny', question='Does it run?', base={tiny!r}, axes=(grid('seed', (0,)),))\n"
    )
    for name in ("backbones", "suites"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("# the user's own\n")
        (tmp_path / name / "config.py").write_text("RESNET = 50\n")
    return tmp_path


def run(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, env={**os.environ, **variables})


@pytest.mark.parametrize(
    "start", [[sys.executable, "-m", "zigbench.cli"], [str(Path(sys.executable).parent / "zigbench")]]
)
def test_packages_in_the_working_directory_shadow_nothing(project, start):
    done = run(*start, "run", "tiny.py", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run(*start, "plan", "quickstart", cwd=project).returncode == 0


@pytest.mark.parametrize("words", [["run", "tiny.py"], ["plan", "quickstart"], ["list", "backbones"]])
def test_another_package_of_that_name_is_named_in_one_line(project, words):
    done = run(sys.executable, "-m", "zigbench.cli", *words, cwd=project, PYTHONPATH=str(project))
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if "another package" in line)
    assert str(project) in line
    assert str(OWN) in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["zigbench.runs.worker", "zigbench.launch"])
def test_the_arguments_of_another_version_are_refused_in_one_line(tmp_path, module):
    done = run(*command(module), "/runs", "2", "0", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "submitted by another version" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        WorkerOptions(results=Path("/a folder/it's"), cpus=3, limit=1.5),
        RunOptions(run=Path("/r/0"), cpus=1, plugins="a.py:b"),
    ],
)
def test_options_survive_their_line(options: Options):
    assert "\n" not in options.line
    assert type(options).model_validate_json(options.line) == options
    other = RunOptions if isinstance(options, WorkerOptions) else WorkerOptions
    with pytest.raises(ValueError):
        other.model_validate_json(options.line)


def test_the_end_of_a_process_is_described():
    assert describe_exit(3) == "exited with 3"
    assert describe_exit(-9).startswith("was killed by SIGKILL")
