"""A copy of the code as it is, so that an edit does not reach jobs that wait."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from zigbench.records.record import SNAPSHOT, digest_of, environment

PACKAGES = ("zigbench", "backbones", "suites")


def take(folder: Path) -> Path:
    """Copy the packages of the checkout that this process runs from; the same code is copied once.

    Args:
        folder: for snapshots, on the shared file system.

    Raises:
        ValueError: the code is not a checkout.
        OSError: the copy can't be written.
    """
    source = Path(__file__).resolve().parents[2]
    files = _files(source)
    target = folder.resolve() / digest_of(source, files)
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=folder.resolve()))
    unfinished.chmod(0o755)
    for name in files:
        (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, unfinished / name)
    (unfinished / SNAPSHOT).write_text(json.dumps(environment()["code"]))
    try:
        unfinished.rename(target)
    except OSError:
        # Another launch has made the same one at this moment.
        shutil.rmtree(unfinished)
        if not target.exists():
            raise
    return target


def setup_lines(snapshot: Path) -> tuple[str, ...]:
    """Shell lines after which Python takes the code from a snapshot, wherever it is started."""
    path = shlex.quote(str(snapshot))
    # Safe: without the working directory in front, which is the checkout where one submits from there.
    return (f'export PYTHONSAFEPATH=1 PYTHONPATH={path}"${{PYTHONPATH:+:$PYTHONPATH}}"',)


def _files(source: Path) -> list[str]:
    try:
        listed = subprocess.run(
            ["git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PACKAGES],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(f"--snapshot copies a git checkout, and {source} is none") from None
    names = sorted(set(filter(None, listed.stdout.split("\0"))))
    return [name for name in names if (source / name).is_file()]
