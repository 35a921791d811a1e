"""The errors that the command line prints without a traceback: faults of a spec, and failures of the machine."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass


class MachineError(RuntimeError):
    """A failure of the machine or its scheduler, with the original message."""


MACHINE_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
)
"""Error numbers of a disk that is full, read-only, out of reach or another user's."""


def machine_fault(error: BaseException) -> OSError | None:
    """Return the error of the machine that caused ``error``, which then says nothing about a run; None without one.

    Libraries that write files themselves pass the error's number in a message only ("os error 28").
    """
    seen = set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, OSError) and link.errno in MACHINE_ERRNOS:
            return link if link is error else OSError(link.errno, link.strerror, link.filename)
        named = re.search(r"\(os error (\d+)\)", str(link))
        if named and int(named[1]) in MACHINE_ERRNOS:
            return OSError(int(named[1]), os.strerror(int(named[1])))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return None


@dataclass(frozen=True)
class Fault:
    """A fault of a spec: its dotted path, the given value, the problem, and what to do."""

    path: str
    given: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        given = f" = {self.given}" if self.given else ""
        return f"{self.path}{given}: {self.problem}" + (f"; {self.hint}" if self.hint else "")


class SpecError(ValueError):
    """The error of a spec, which lists all its faults at once, and each once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(dict.fromkeys(faults))
        head = "the spec has a fault" if len(self.faults) == 1 else f"the spec has {len(self.faults)} faults"
        super().__init__("\n".join([f"{head}:", *(f"  {fault}" for fault in self.faults)]))
