"""Runs in isolation: each in a process of its own, forked from one that has imported everything, with a time limit."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.runs.process import describe_exit

Answer = dict[str, str]


class ForkedRunner:
    """A runner that does each run in a forked process, one at a time.

    A forked process begins where an import would end, in hundredths of a second, and with nothing computed: no
    device was touched and no pool of threads begun, so its measurements start like those of a fresh process. The
    process that uses this must compute nothing itself.

    Args:
        limit: seconds that a run may take.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._child: int | None = None
        self._changing = threading.Lock()

    def run(self, folder: RunFolder, work: Callable[[RunFolder], Answer]) -> Answer:
        """Return the answer of ``work``, called in a process of its own.

        A process that takes longer than the limit is killed, and its run recorded with the status ``timeout``. For one
        that dies the answer is ``{"status": "died", "error": …}``.
        """
        reading, writing = os.pipe()
        with self._changing:
            child = self._child = os.fork()
        if child == 0:
            os.close(reading)
            _work(folder, work, writing)
        os.close(writing)
        try:
            output, late = _read(reading, self.limit)
        finally:
            os.close(reading)
        if late:
            os.kill(child, signal.SIGKILL)
        with self._changing:
            _, status = os.waitpid(child, 0)
            self._child = None
        if late:
            return self._record_timeout(folder)
        if output:
            answer: Answer = json.loads(output)
            return answer
        return {"status": "died", "error": f"the run's process {describe_exit(os.waitstatus_to_exitcode(status))}"}

    def kill(self) -> None:
        """Kill the run's process, if there is one."""
        with self._changing:
            if self._child is not None:
                os.kill(self._child, signal.SIGKILL)

    def _record_timeout(self, folder: RunFolder) -> Answer:
        phase = folder.read_progress().get("phase")
        during = f" while {phase}" if phase else ""
        message = f"took longer than {self.limit:g} s{during}"
        with folder.lock():
            if not folder.record.exists():
                Record.failed(
                    folder.read_spec(), "timeout", kind="TimeLimit", message=message, log_tail=folder.log_tail()
                ).write(folder.record)
            folder.progress.unlink(missing_ok=True)
        return {"status": Record.read(folder.record).status, "error": message}


def _work(folder: RunFolder, work: Callable[[RunFolder], Answer], writing: int) -> None:
    """Do the work, write its answer, and end without the exit handlers, which belong to the parent."""
    code = 1
    try:
        answer = json.dumps(work(folder)).encode()
        os.write(writing, answer)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read(pipe: int, limit: float) -> tuple[bytes, bool]:
    """Return everything written until the other end closes, and whether the limit was reached first."""
    deadline = time.monotonic() + limit
    output = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return output, True
        part = os.read(pipe, 2**16)
        if not part:
            return output, False
        output += part
