"""What goes on beside a measurement: others' load, stolen time, a quota, clocks. It is said, not hidden."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

CORES, STOLEN, DRIFT = 0.15, 0.02, 0.10
"""Noticed: cores that others keep busy (or a twentieth of the machine's, where that is more), the share of time that
the host takes away, and the share by which the rate of a reference product changes."""

# Bits of nvidia-smi's clocks_event_reasons.active that mean less than the clock that was asked for. The cap by power
# is left out: large products run into it on any healthy device.
THROTTLES = {0x8: "slowed down by hardware", 0x20: "too hot", 0x40: "too hot (hardware)", 0x80: "power brake"}

QUERY = (
    "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "clocks_event_reasons.active", "temperature.gpu",
    "power.draw", "uuid",
)  # fmt: skip


PATIENCE = 10.0
"""Seconds that nvidia-smi is waited for."""


@dataclass(frozen=True)
class Reading:
    """Counters at one moment, in seconds; what the system does not tell is None.

    Attributes:
        time: of the monotonic clock.
        busy: all cores' time spent on anything.
        stolen: all cores' time that the host gave to other machines.
        own: time of this process.
        cores: of the machine.
        throttled: times that this process's group was held back by its quota.
    """

    time: float
    busy: float | None
    stolen: float | None
    own: float
    cores: int
    throttled: int | None = None


def read(
    stat: Path = Path("/proc/stat"), quota: Path = Path("/sys/fs/cgroup/cpu.stat"), tick: float | None = None
) -> Reading:
    """The counters now."""
    tick = tick or 1 / os.sysconf("SC_CLK_TCK")
    busy = stolen = throttled = None
    with contextlib.suppress(OSError):
        user, nice, system, _, _, irq, soft, steal = (int(x) for x in stat.read_text().split()[1:9])
        busy, stolen = tick * (user + nice + system + irq + soft), tick * steal
    with contextlib.suppress(OSError):
        counts = dict(line.split() for line in quota.read_text().splitlines())
        throttled = int(counts["nr_throttled"]) if "nr_throttled" in counts else None
    return Reading(time.monotonic(), busy, stolen, time.process_time(), os.cpu_count() or 1, throttled)


def disturbances(before: Reading, after: Reading) -> list[str]:
    """What disturbed the processor between two readings, in words; empty where nothing was noticed."""
    found = []
    span = max(after.time - before.time, 1e-9)
    if before.busy is not None and after.busy is not None:
        others = (after.busy - before.busy - (after.own - before.own)) / span
        if others > max(CORES, 0.05 * after.cores):
            found.append(f"other processes kept {others:.1f} of {after.cores} cores busy")
    if before.stolen is not None and after.stolen is not None:
        share = (after.stolen - before.stolen) / (span * after.cores)
        if share > STOLEN:
            found.append(f"the host took {100 * share:.0f} % of the processor's time away")
    if before.throttled is not None and after.throttled is not None and after.throttled > before.throttled:
        found.append("the process was held back by its group's quota of processor time")
    return found


def drift(before: float, after: float) -> list[str]:
    """What two rates of the same reference product say of the clock, in words."""
    change = after / before - 1
    if abs(change) <= DRIFT:
        return []
    return [f"the rate of a reference product {'rose' if change > 0 else 'fell'} by {100 * abs(change):.0f} %"]


@dataclass(frozen=True)
class Gpu:
    """A GPU's state as nvidia-smi tells it; empty where there is no such program."""

    facts: Mapping[str, str] = field(default_factory=dict)
    processes: int = 0

    @property
    def disturbances(self) -> list[str]:
        """What disturbs it, in words."""
        found = [f"{self.processes} processes share the GPU"] if self.processes > 1 else []
        with contextlib.suppress(ValueError):
            bits = int(self.facts.get("clocks_event_reasons.active", "0"), 16)
            found += [f"the GPU's clock was held back: {why}" for bit, why in THROTTLES.items() if bits & bit]
        return found


def read_gpu(device: torch.device, meanwhile: Callable[[], object]) -> Gpu:
    """The state of a CUDA device while it does ``meanwhile`` again and again: an idle one lets its clock fall."""
    program = shutil.which("nvidia-smi")
    if device.type != "cuda" or program is None:
        return Gpu()
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    chosen = [f"--id=GPU-{uuid}"] if uuid else []
    facts = _ask([program, *chosen, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"], meanwhile)
    running = _ask([program, *chosen, "--query-compute-apps=pid", "--format=csv,noheader"], meanwhile)
    return parse_gpu(facts, running)


def parse_gpu(facts: str, running: str) -> Gpu:
    """nvidia-smi's two answers read: a line of values in the order of :data:`QUERY`, and a line for each process."""
    values = [value.strip() for value in facts.splitlines()[0].split(",")] if facts.strip() else []
    processes = [line for line in running.splitlines() if line.strip().isdigit()]
    return Gpu(dict(zip(QUERY, values, strict=False)), len(processes))


def _ask(command: Sequence[str], meanwhile: Callable[[], object]) -> str:
    """What a program prints, ``meanwhile`` being called until it ends; "" of one that fails or takes too long."""
    try:
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""
    deadline = time.monotonic() + PATIENCE
    with asked:
        while asked.poll() is None and time.monotonic() < deadline:
            meanwhile()
        if asked.poll() is None:
            asked.kill()
        said, _ = asked.communicate()
    return said if asked.returncode == 0 else ""
