"""A launch on this machine that outlives its terminal: ``python -m zigbench.launch.background FOLDER``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from zigbench.launch.local import run_here
from zigbench.records.folder import RunFolder
from zigbench.records.lock import RunLock
from zigbench.spec import Resources
from zigbench.spec.errors import MachineError
from zigbench.spec.files import write_atomically

ORDER = "order.json"


def new_folder(jobs: Path) -> Path:
    """A folder of its own for a launch, under ``jobs``."""
    jobs.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="local-", dir=jobs)).resolve()


def start(folder: Path, root: Path, classes: Mapping[Resources, Sequence[str]], workers: int | None) -> None:
    """Start a process that does runs; when this returns it holds its folder, by which it is known to live.

    Args:
        folder: of this launch.
        root: results folder.
        classes: ids of runs by the resources that they ask for; one class is done after the other.
        workers: runs at a time; None for what the machine allows.

    Raises:
        MachineError: it did not start; its output is quoted.
    """
    todo = [{"resources": resources.model_dump(), "runs": list(runs)} for resources, runs in classes.items()]
    order = {"root": str(root.resolve()), "classes": todo, "workers": workers}
    write_atomically(folder / ORDER, json.dumps(order).encode(), durable=False)
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "zigbench.launch.background", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout:
        if not process.stdout.readline():
            said = (folder / "output.txt").read_text(errors="replace")
            raise MachineError(f"the launch in the background did not start:\n{said}")


def main(folder: Path) -> None:
    """Do what the folder's order says."""
    order = json.loads((folder / ORDER).read_text())
    root = Path(order["root"])
    with RunLock(folder, what="this launch").held():
        _ready()
        for asked in order["classes"]:
            for event in run_here(
                [RunFolder(root / run) for run in asked["runs"]],
                Resources(**asked["resources"]),
                root,
                workers=order["workers"],
                wanted=lambda run: run.read_job().get("job") == folder.name,
            ):
                sys.stderr.write(json.dumps(event.__dict__) + "\n")


def _ready() -> None:
    """Tell whoever started this process that it holds its folder, and let go of the pipe."""
    os.write(1, b"ready\n")
    os.dup2(2, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
