"""The GPUs of this machine, and which of them each worker has; asked of the driver's own program, never of torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

VISIBLE = "CUDA_VISIBLE_DEVICES"

PATIENCE = 30.0
"""Seconds that the driver has to answer; one that nobody uses takes a few to start."""


def visible() -> tuple[str, ...]:
    """The GPUs that a process started from here would see, by the names that ``CUDA_VISIBLE_DEVICES`` takes."""
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        return tuple(name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        said = subprocess.run([program, "--list-gpus"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(str(i) for i in range(sum(line.startswith("GPU ") for line in said.stdout.splitlines())))


def share(devices: Sequence[str], gpus: int, worker: int) -> tuple[str, ...]:
    """The devices of one worker: no two workers have one in common while there are enough.

    Args:
        devices: of the machine.
        gpus: that a run asks for; what is there where it asks for more.
        worker: number of the worker, from 0; those beyond what the devices suffice for begin again at the first.
    """
    first = worker % max(1, len(devices) // gpus) * gpus if gpus else 0
    return tuple(devices[first : first + gpus])
