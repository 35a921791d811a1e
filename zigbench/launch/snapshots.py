"""Copies of the code and the plug-ins of a launch, which waiting jobs run whatever is edited meanwhile."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from zigbench.records.environment import SNAPSHOT, environment, is_checkout
from zigbench.spec.files import digest_of, new_folder, short_sha256
from zigbench.spec.registry import imported_digest, plugin_digest, plugin_source

PACKAGES = ("zigbench", "backbones", "suites")


@dataclass(frozen=True)
class Snapshot:
    """A copy of the code.

    Args:
        path: its folder.
        plugins: value of ``ZIGBENCH_PLUGINS`` that names the copies of the plug-ins.
    """

    path: Path
    plugins: str = ""

    @property
    def setup_lines(self) -> tuple[str, ...]:
        """Shell lines that make Python import this code from any working directory."""
        path = shlex.quote(str(self.path))
        # Safe: without the working directory in front, which is the checkout where one submits from there.
        return (f'export PYTHONSAFEPATH=1 PYTHONPATH={path}"${{PYTHONPATH:+:$PYTHONPATH}}"',)


def take_snapshot(folder: Path, plugins: str = "") -> Snapshot:
    """Copy the packages of the checkout that this process runs from, and its plug-ins; the same code is copied once.

    A plug-in that is a module is copied with its whole package, unless that is installed.

    Args:
        folder: for snapshots, on the shared file system.
        plugins: value of ``ZIGBENCH_PLUGINS``: the files and modules that are imported as plug-ins.

    Raises:
        ValueError: the code is not a checkout, or a plug-in was edited since it was imported.
        OSError: the copy can't be written.
    """
    source = Path(__file__).resolve().parents[2]
    files = _files(source)
    copies = {name: copy for name in filter(None, plugins.split(os.pathsep)) if (copy := _copied(name))}
    parts = [f"{name}\0{imported_digest(name)}" for name in copies]
    digest = digest_of(source, files)
    target = folder.resolve() / (short_sha256(digest, *parts) if parts else digest)
    names = (str(target / copies[name]) if name.endswith(".py") else name for name in plugins.split(os.pathsep))
    taken = Snapshot(target, os.pathsep.join(names) if plugins else "")
    if target.exists():
        return taken
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = new_folder(folder.resolve(), f".{target.name}.")
    for name in files:
        (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, unfinished / name)
    for name, copy in copies.items():
        (unfinished / copy).parent.mkdir(parents=True, exist_ok=True)
        if plugin_source(name).is_dir():
            shutil.copytree(plugin_source(name), unfinished / copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(plugin_source(name), unfinished / copy)
    code = {key: value for key, value in environment()["code"].items() if key != "plugins"}
    (unfinished / SNAPSHOT).write_text(json.dumps(code), encoding="utf-8")
    for name in copies:
        if plugin_digest(name) != imported_digest(name):
            shutil.rmtree(unfinished)
            raise ValueError(f"the plug-in {name} was edited while this launch was planned; launch again")
    try:
        unfinished.rename(target)
    except OSError:
        # Another launch has made the same copy at this moment.
        shutil.rmtree(unfinished)
        if not target.exists():
            raise
    return taken


def _copied(name: str) -> Path | None:
    """Return the place of a plug-in's copy in a snapshot; None for one that is installed, or part of the code."""
    source = plugin_source(name)
    if name.endswith(".py"):
        return Path("plugins", imported_digest(name), source.name)
    installed = {"site-packages", "dist-packages"} & set(source.parts)
    return None if installed or name.partition(".")[0] in PACKAGES else Path(source.name)


def _files(source: Path) -> list[str]:
    if not is_checkout(source):
        raise ValueError(f"--snapshot copies a git checkout, and {source} is none")
    output = subprocess.run(
        ["git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PACKAGES],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=True,
    ).stdout
    names = sorted(set(filter(None, output.split("\0"))))
    return [name for name in names if (source / name).is_file()]
