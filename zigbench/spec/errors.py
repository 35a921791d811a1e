"""The errors that the command line prints without a traceback: faults of a spec, and failures of the machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class MachineError(RuntimeError):
    """A failure of the machine or its scheduler, with the original message."""


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
