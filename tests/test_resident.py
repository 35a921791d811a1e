"""The process's own memory, as the system accounts for it."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from zigbench import resident

MIB = 2**20


def test_the_most_is_never_less_than_what_is_there_and_stays() -> None:
    here = resident.now()
    before = resident.most()
    assert 0 < here <= before
    with mmap.mmap(-1, 64 * MIB) as block:
        block.write(bytes([1]) * len(block))
        assert resident.now() <= resident.most()
        grown = resident.most()
    assert resident.most() >= grown >= before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system keeps no account of a process")
def test_a_process_does_not_inherit_the_peak_of_the_one_that_started_it() -> None:
    told = "from zigbench import resident; print(resident.most())"
    with mmap.mmap(-1, 256 * MIB) as block:
        block.write(bytes([1]) * len(block))
        ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 256 * MIB


def test_where_the_system_tells_no_more_the_inherited_peak_stands_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "STATUS", Path("/nowhere"))
    assert MIB < resident.now() <= resident.most()
