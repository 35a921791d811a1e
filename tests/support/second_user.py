"""Two users of one results folder: the first owns the files; the second is root without the right to open others'."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FIRST, GROUP = 4001, 4321


def as_second_user(*command: str, groups: str = "0", **options: object) -> subprocess.CompletedProcess[str]:
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", f"--groups={groups}", *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, **options)


def give_to_first_user(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, FIRST, GROUP)
