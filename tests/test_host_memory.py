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


def test_the_most_is_never_less_than_what_is_there_and_stays() -> None:
    late = MIB  # Linux counts pages by thread and adds them up late, some dozens at a time.
    here = host_memory.resident_bytes()
    before = host_memory.peak_resident_bytes()
    assert 0 < here <= before + late
    with mmap.mmap(-1, 64 * MIB) as block:
        block.write(bytes([1]) * len(block))
        assert host_memory.resident_bytes() <= host_memory.peak_resident_bytes() + late
        grown = host_memory.peak_resident_bytes()
    assert host_memory.peak_resident_bytes() >= grown - late >= before - 2 * late


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system keeps no account of a process")
def test_a_process_does_not_inherit_the_peak_of_the_one_that_started_it() -> None:
    told = "from zigbench import host_memory; print(host_memory.peak_resident_bytes())"
    with mmap.mmap(-1, 256 * MIB) as block:
        block.write(bytes([1]) * len(block))
        ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 256 * MIB


def test_without_linux_the_inherited_peak_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "STATUS", Path("/nowhere"))
    assert MIB < host_memory.resident_bytes() <= host_memory.peak_resident_bytes()


def test_what_is_available_is_less_than_what_is_installed() -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < host_memory.available_bytes() < pages


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
