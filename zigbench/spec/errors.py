"""The error that is nobody's slip: the command line prints it as a line and ends with 1."""

from __future__ import annotations


class MachineError(RuntimeError):
    """What the machine or its scheduler could not do; the message says what, and in whose words."""
