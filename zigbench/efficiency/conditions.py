"""Disturbances of a measurement: other processes' load, stolen time, a quota, clocks. They are reported with it."""

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
"""Thresholds: cores that other processes occupy (or a twentieth of the machine's, if that is more), the share of time
that the host takes away, and the share by which the rate of a reference product changes."""

# Bits of nvidia-smi's clocks_event_reasons.active that mean a lower clock than requested. The cap by power is left
# out: large products reach it on any healthy device.
THROTTLES = {0x8: "slowed down by hardware", 0x20: "too hot", 0x40: "too hot (hardware)", 0x80: "power brake"}

QUERY = (
    "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "clocks_event_reasons.active", "temperature.gpu",
    "power.draw", "uuid",
)  # fmt: skip


TIMEOUT = 10.0
"""Time limit of nvidia-smi, in seconds."""


@dataclass(frozen=True)
class Reading:
    """The processor's counters at one moment, in seconds; None for a counter that the system does not have.

    Attributes:
        time: the monotonic clock.
        busy: all cores' time spent on any process.
        stolen: all cores' time that the host gave to other machines.
        own: processor time of this process.
        cores: number of cores of the machine.
        throttled: number of times that this process's group was throttled by its quota.
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
    """Read the counters."""
    tick = tick or 1 / os.sysconf("SC_CLK_TCK")
    busy = stolen = throttled = None
    with contextlib.suppress(OSError):
        user, nice, system, _, _, irq, soft, steal = (int(x) for x in stat.read_text(encoding="utf-8").split()[1:9])
        busy, stolen = tick * (user + nice + system + irq + soft), tick * steal
    with contextlib.suppress(OSError):
        counts = dict(line.split() for line in quota.read_text(encoding="utf-8").splitlines())
        throttled = int(counts["nr_throttled"]) if "nr_throttled" in counts else None
    return Reading(time.monotonic(), busy, stolen, time.process_time(), os.cpu_count() or 1, throttled)


def disturbances(before: Reading, after: Reading) -> list[str]:
    """Return a description of each disturbance of the processor between two readings."""
    lines = []
    span = max(after.time - before.time, 1e-9)
    if before.busy is not None and after.busy is not None:
        others = (after.busy - before.busy - (after.own - before.own)) / span
        if others > max(CORES, 0.05 * after.cores):
            lines.append(f"other processes used {others:.1f} of {after.cores} cores")
    if before.stolen is not None and after.stolen is not None:
        share = (after.stolen - before.stolen) / (span * after.cores)
        if share > STOLEN:
            lines.append(f"the host took away {100 * share:.0f} % of the processor's time")
    if before.throttled is not None and after.throttled is not None and after.throttled > before.throttled:
        lines.append("the process was throttled by its group's quota of processor time")
    return lines


def drift(before: float, after: float) -> list[str]:
    """Return a description of a change of the clock, from two rates of the same reference product."""
    change = after / before - 1
    if abs(change) <= DRIFT:
        return []
    return [f"the rate of a reference product {'rose' if change > 0 else 'fell'} by {100 * abs(change):.0f} %"]


@dataclass(frozen=True)
class Gpu:
    """The state of a GPU as reported by nvidia-smi; empty without that program."""

    facts: Mapping[str, str] = field(default_factory=dict)
    processes: int = 0

    @property
    def disturbances(self) -> list[str]:
        """Descriptions of what disturbs it."""
        lines = [f"{self.processes} processes share the GPU"] if self.processes > 1 else []
        with contextlib.suppress(ValueError):
            bits = int(self.facts.get("clocks_event_reasons.active", "0"), 16)
            lines += [f"the GPU's clock was reduced: {why}" for bit, why in THROTTLES.items() if bits & bit]
        return lines


def read_gpu(device: torch.device, meanwhile: Callable[[], object]) -> Gpu:
    """Read the state of a CUDA device while it repeats ``meanwhile``: the clock of an idle device falls."""
    program = shutil.which("nvidia-smi")
    if device.type != "cuda" or program is None:
        return Gpu()
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    chosen = [f"--id=GPU-{uuid}"] if uuid else []
    facts = _output_of([program, *chosen, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"], meanwhile)
    running = _output_of([program, *chosen, "--query-compute-apps=pid", "--format=csv,noheader"], meanwhile)
    return parse_gpu(facts, running)


def parse_gpu(facts: str, running: str) -> Gpu:
    """Parse nvidia-smi's two outputs: a line of values in the order of :data:`QUERY`, and a line for each process."""
    values = [value.strip() for value in facts.splitlines()[0].split(",")] if facts.strip() else []
    processes = [line for line in running.splitlines() if line.strip().isdigit()]
    return Gpu(dict(zip(QUERY, values, strict=False)), len(processes))


def _output_of(command: Sequence[str], meanwhile: Callable[[], object]) -> str:
    """Return the output of a program, calling ``meanwhile`` until it ends; "" if it fails or takes too long."""
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="surrogateescape"
        )
    except OSError:
        return ""
    deadline = time.monotonic() + TIMEOUT
    with process:
        while process.poll() is None and time.monotonic() < deadline:
            meanwhile()
        if process.poll() is None:
            process.kill()
        output, _ = process.communicate()
    return output if process.returncode == 0 else ""
