"""Runs what one page of the documentation shows, in its order, in the folder it is started in.

Reads a list of [kind, text] from standard input: a ``file`` is written (its first line says where) and, where it is
no plug-in, run by what imports it; ``python`` is executed, and so is the file that a ``script`` names; a ``command``
is given to the program's own entry point.
"""

from __future__ import annotations

import json
import runpy
import shlex
import sys
from pathlib import Path

from zigbench.cli import app

sys.path.insert(0, "")


def main() -> None:
    for kind, text in json.load(sys.stdin):
        try:
            if kind == "file":
                Path(text.splitlines()[0].removeprefix("# ")).write_text(text, encoding="utf-8")
            elif kind == "python":
                Path("listing.py").write_text(text, encoding="utf-8")
                runpy.run_path("listing.py")
            elif kind == "script":
                runpy.run_path(text)
            elif app(shlex.split(text)[1:], standalone_mode=False):
                raise SystemExit(1)
        except BaseException as error:
            sys.stderr.write(f"{kind}:\n{text}\n{type(error).__name__}: {error}\n")
            raise


if __name__ == "__main__":
    main()
