"""Processes of the tests' own, forked: they begin with everything imported, where a new interpreter takes seconds.

A command that must be seen to start by itself, or to import little, is started by :mod:`subprocess` instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO

from zigbench.cli import main
from zigbench.cli.options import err, out


class Fork:
    """A fork of this process that does some work, with standard streams of its own.

    Args:
        work: called in the fork. SystemExit sets the exit code; any other exception is printed, and the code is 1.
        cwd: working folder of the fork; None for this process's.
    """

    def __init__(self, work: Callable[[], object], cwd: Path | None = None) -> None:
        self._streams: tuple[IO[bytes], IO[bytes]] = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115
        self._pid = os.fork()
        if not self._pid:
            os._exit(_do(work, cwd, self._streams))

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Wait for the end, and return the exit code with what was printed."""
        _, status = os.waitpid(self._pid, 0)
        texts = []
        for stream in self._streams:
            with stream:
                stream.seek(0)
                texts.append(stream.read().decode())
        return subprocess.CompletedProcess("a fork", os.waitstatus_to_exitcode(status), *texts)


def _do(work: Callable[[], object], cwd: Path | None, streams: tuple[IO[bytes], IO[bytes]]) -> int:
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream.fileno(), number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    # As a new process has it, and not as the tests record them.
    warnings.showwarning = lambda *about, **_: sys.stderr.write(warnings.formatwarning(*about[:4]))
    warnings.resetwarnings()
    warnings.simplefilter("ignore", DeprecationWarning)
    code: object = 0
    try:
        if cwd is not None:
            os.chdir(cwd)
        work()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 1


def zigbench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of zigbench in a folder, on a terminal of 200 columns."""

    def command() -> None:
        sys.argv = ["zigbench", *arguments]
        os.environ["COLUMNS"] = "200"
        for console in (out, err):
            console.width = 200
        main()

    return Fork(command, cwd).wait()
