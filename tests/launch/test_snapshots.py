"""Laws of snapshots: they hold the plug-ins as they were imported, and a later edit reaches no job and no record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = "from zigbench.scan import curve\n\n@curve({name!r})\ndef {name}(h, w):\n    return {order}\n"
EDITS = {"order": "list(range(h * w))"}, {"order": "list(range(h * w))[::-1]"}
TAKE = """
import json, os, sys
from pathlib import Path
from zigbench.launch.snapshots import take_snapshot
from zigbench.spec.registry import PLUGINS_VARIABLE, load_plugin, plugin_digests
for name in sys.argv[2:]:
    load_plugin(name)
if os.environ.get("EDIT"):
    Path(os.environ["EDIT"]).write_text("")
taken = take_snapshot(Path(sys.argv[1]), os.environ[PLUGINS_VARIABLE])
print(json.dumps([taken.plugins, *taken.setup_lines, plugin_digests()]))
"""
LOOK = """
import json
from zigbench.records.environment import environment
from zigbench.scan import make_order
print(json.dumps([[make_order(name, (1, 2)).order.tolist() for name in ("alone", "packed")], environment()["code"]]))
"""


@pytest.fixture
def plugins(tmp_path) -> tuple[Path, Path]:
    """A plug-in that is a file, and one that is a module of a package with data."""
    alone, packed = tmp_path / "mine" / "alone.py", tmp_path / "mine" / "package" / "packed.py"
    packed.parent.mkdir(parents=True)
    (packed.parent / "__init__.py").write_text("")
    (packed.parent / "data.txt").write_text("data")
    write(alone, packed, 0)
    return alone, packed


def write(alone: Path, packed: Path, edit: int) -> None:
    alone.write_text(PLUGIN.format(name="alone", **EDITS[edit]))
    text = "from pathlib import Path\nassert Path(__file__).with_name('data.txt').read_text() == 'data'\n"
    packed.write_text(text + PLUGIN.format(name="packed", **EDITS[edit]))


def python(code: str, *arguments: object, setup: str = ":", **variables: object) -> subprocess.CompletedProcess[str]:
    shell = f'{setup}; exec "$@"'
    command = ["bash", "-c", shell, "bash", sys.executable, "-P", "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **{key: str(v) for key, v in variables.items()}}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_an_edit_after_the_snapshot_reaches_no_job_and_every_record_has_the_digest(tmp_path, plugins):
    alone, packed = plugins
    path = {"PYTHONPATH": tmp_path / "mine"}
    done = python(TAKE, tmp_path / "snapshots", alone, "package.packed", **path)
    assert done.returncode == 0, done.stderr
    variable, setup, digests = json.loads(done.stdout)
    assert set(digests) == {"alone.py", "package.packed"}
    write(alone, packed, 1)
    for names, lines, orders in (
        (variable, setup, [[0, 1], [0, 1]]),
        (os.pathsep.join([str(alone), "package.packed"]), ":", [[1, 0], [1, 0]]),
    ):
        job = python(LOOK, setup=lines, **path, ZIGBENCH_PLUGINS=names)
        assert job.returncode == 0, job.stderr
        seen, code = json.loads(job.stdout)
        assert seen == orders
        assert (code["plugins"] == digests) == (names == variable)
    # Another content is another snapshot.
    again = python(TAKE, tmp_path / "snapshots", alone, "package.packed", **path)
    assert json.loads(again.stdout)[1] != setup
    assert len(list((tmp_path / "snapshots").iterdir())) == 2


def test_an_edit_between_import_and_snapshot_is_refused(tmp_path, plugins):
    done = python(TAKE, tmp_path / "snapshots", plugins[0], EDIT=plugins[0])
    assert done.returncode == 1
    assert f"the plug-in {plugins[0]} was edited while this launch was planned; launch again" in done.stderr
    assert not list((tmp_path / "snapshots").iterdir())
