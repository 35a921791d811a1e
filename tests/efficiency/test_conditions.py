"""Disturbances are read off counters; the counters here are written by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from zigbench.efficiency import conditions
from zigbench.efficiency.conditions import QUERY, Reading, disturbances, drift, parse_gpu, read, read_gpu

QUIET = Reading(time=100.0, busy=50.0, stolen=1.0, own=20.0, cores=2, throttled=3)


def later(**changes: float) -> Reading:
    """Ten seconds later, this process having kept both cores busy, with changes on top."""
    after = replace(QUIET, time=110.0, busy=70.0, own=40.0)
    return replace(after, **{name: getattr(after, name) + value for name, value in changes.items()})


def test_a_process_that_has_the_machine_to_itself_is_not_disturbed():
    assert disturbances(QUIET, later()) == []
    assert disturbances(QUIET, later(busy=1.0)) == []  # A tenth of a core.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"busy": 5.0}, "used 0.5 of 2 cores"),
        ({"stolen": 1.0}, "took away 5 %"),
        ({"throttled": 1}, "quota"),
    ],
)
def test_what_disturbs_is_named(changes, words):
    (said,) = disturbances(QUIET, later(**changes))
    assert words in said


def test_what_the_system_does_not_tell_disturbs_nothing():
    silent = {"busy": None, "stolen": None, "throttled": None}
    assert disturbances(replace(QUIET, **silent), replace(later(), **silent)) == []


def test_the_counters_are_read_from_the_system_s_files(tmp_path):
    stat, quota = tmp_path / "stat", tmp_path / "cpu.stat"
    stat.write_text("cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    quota.write_text("usage_usec 12\nnr_periods 5\nnr_throttled 4\n")
    found = read(stat, quota, tick=0.01)
    assert found.busy == pytest.approx(1.63)  # Idle time and waiting for a disk keep nobody busy.
    assert found.stolen == pytest.approx(0.08)
    assert found.throttled == 4
    nothing = read(tmp_path / "none", tmp_path / "none")
    assert nothing.busy is None
    assert nothing.throttled is None


def test_a_clock_that_changes_is_noticed_either_way():
    assert drift(100.0, 95.0) == drift(100.0, 105.0) == []
    assert "fell by 20 %" in drift(100.0, 80.0)[0]
    assert "rose by 20 %" in drift(100.0, 120.0)[0]


@pytest.mark.parametrize(
    ("reasons", "running", "words"),
    [
        ("0x0000000000000000", "41\n", []),
        ("0x0000000000000004", "41\n", []),  # The cap by power: any healthy device runs into it.
        ("0x0000000000000020", "41\n", ["too hot"]),
        ("0x0000000000000000", "41\n42\n", ["2 processes share the GPU"]),
        ("[N/A]", "", []),
    ],
)
def test_a_gpu_s_state_is_read_off_what_its_tool_says(reasons, running, words):
    found = parse_gpu(f"570.1, 1980, 1980, 3201, {reasons}, 40, 120.5, GPU-1\n", running)
    assert set(found.facts) == set(QUERY)
    assert found.facts["driver_version"] == "570.1"
    said = found.disturbances
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))


def test_a_gpu_is_asked_while_it_works(tmp_path, monkeypatch):
    """The stand-in answers once it has seen three calls, and each question anew."""
    tool, calls = tmp_path / "nvidia-smi", tmp_path / "calls"
    tool.write_text(
        f"#!/bin/sh\n: > {calls}\n"
        f"while [ $(wc -c < {calls}) -lt 3 ]; do sleep 0.01; done\n"
        'case "$*" in *gpu=*) echo "570.1, 1980, 1980, 3201, 0x20, 40, 120.5, $1" ;; *) echo 41 ;; esac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="7"))
    calls.touch()

    def call() -> None:
        with calls.open("a") as file:
            file.write(".")

    found = read_gpu(torch.device("cuda"), call)
    assert found.facts["uuid"] == "--id=GPU-7"
    assert (found.disturbances, found.processes) == (["the GPU's clock was reduced: too hot"], 1)
    assert read_gpu(torch.device("cpu"), call).facts == {}


@pytest.mark.parametrize("script", ["exit 3", "exec sleep 60"])
def test_a_tool_that_fails_or_hangs_says_nothing(tmp_path, monkeypatch, script):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(conditions, "TIMEOUT", 0.1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace())
    assert read_gpu(torch.device("cuda"), lambda: None).facts == {}


def test_no_tool_says_nothing():
    assert parse_gpu("", "").facts == {}
    assert parse_gpu("", "").disturbances == []
