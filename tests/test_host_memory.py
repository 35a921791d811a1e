"""The process's own memory, as the system accounts for it."""

from __future__ import annotations

import mmap
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from zigbench import host_memory

MIB = 2**20
LATE = MIB
"""Bytes: Linux counts pages by thread and adds them up late, some dozens at a time."""


def test_the_most_is_never_less_than_what_is_there_and_stays() -> None:
    here = host_memory.resident_bytes()
    before = host_memory.peak_resident_bytes()
    assert 0 < here <= before + LATE
    with mmap.mmap(-1, 64 * MIB) as block:
        block.write(bytes([1]) * len(block))
        assert host_memory.resident_bytes() <= host_memory.peak_resident_bytes() + LATE
        grown = host_memory.peak_resident_bytes()
    assert host_memory.peak_resident_bytes() >= grown - LATE >= before - 2 * LATE


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system keeps no account of a process")
def test_a_process_does_not_inherit_the_peak_of_the_one_that_started_it() -> None:
    script = "from zigbench import host_memory; print(host_memory.peak_resident_bytes())"
    with mmap.mmap(-1, 256 * MIB) as block:
        block.write(bytes([1]) * len(block))
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 256 * MIB


def test_without_linux_the_inherited_peak_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "STATUS", Path("/nowhere"))
    assert MIB < host_memory.resident_bytes() <= host_memory.peak_resident_bytes() + LATE


def test_what_is_available_is_less_than_what_is_installed() -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < host_memory.available_bytes() < pages


def control_groups(monkeypatch: pytest.MonkeyPatch, root: Path, membership: str, files: dict[str, str]) -> None:
    """Show the process control groups with these files."""
    for name, text in {"membership": membership, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(host_memory, "CGROUPS", root)
    monkeypatch.setattr(host_memory, "MEMBERSHIP", root / "membership")


UNIFIED = {
    "job/step/memory.max": "max\n",
    "job/step/memory.current": f"{MIB}\n",
    "job/memory.max": f"{8 * MIB}\n",
    "job/memory.current": f"{5 * MIB}\n",
    "job/memory.stat": f"anon {3 * MIB}\ninactive_file {2 * MIB}\n",
    "job/cpu.max": "100000 100000\n",
}
SEPARATE = {
    "memory/memory.limit_in_bytes": f"{6 * MIB}\n",
    "memory/memory.usage_in_bytes": f"{2 * MIB}\n",
    "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {MIB}\n",
    "cpu/cpu.cfs_quota_us": "150000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
}


@pytest.mark.parametrize(
    ("membership", "files"),
    [("0::/job/step\n", UNIFIED), ("4:memory:/the/hosts/path\n3:cpu,cpuacct:/the/hosts/path\n0::/\n", SEPARATE)],
)
def test_the_limits_of_a_container_or_job_count(monkeypatch, tmp_path, membership: str, files: dict[str, str]) -> None:
    control_groups(monkeypatch, tmp_path, membership, files)
    assert host_memory.available_bytes() == 5 * MIB
    assert host_memory.available_cores() == 1


def test_a_group_without_limits_limits_nothing(monkeypatch, tmp_path) -> None:
    files = {"memory.max": "max\n", "memory.current": "1\n", "cpu.max": "max 100000\n"}
    control_groups(monkeypatch, tmp_path, "0::/\n", files)
    assert host_memory.available_bytes() > 5 * MIB
    if hasattr(os, "sched_getaffinity"):
        assert host_memory.available_cores() == len(os.sched_getaffinity(0))


def test_a_group_that_is_over_its_limit_has_no_room(monkeypatch, tmp_path) -> None:
    control_groups(monkeypatch, tmp_path, "0::/\n", {"memory.max": "10\n", "memory.current": "20\n"})
    assert host_memory.available_bytes() == 0


AGAIN_AND_AGAIN = """
from resource import RUSAGE_SELF, getrusage
from zigbench import host_memory
print({keep})
def use():
    blocks = [b"x" * (24 << 20) for _ in range(4)]
use(), use()
before = getrusage(RUSAGE_SELF).ru_minflt
use(), use()
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left as they are")
def test_what_is_freed_and_kept_is_used_again_without_a_new_page() -> None:
    def faults(keep: str) -> int:
        script = AGAIN_AND_AGAIN.format(keep=keep)
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
        assert said[0] == keep.replace("host_memory.keep_freed()", "True")
        return int(said[1])

    pages = 2 * 4 * (24 * MIB // mmap.PAGESIZE)
    assert faults("None") > pages // 2
    assert faults("host_memory.keep_freed()") < pages // 100
