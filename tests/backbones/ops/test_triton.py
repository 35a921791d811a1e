"""The Triton kernels against float64 loops: in the interpreter, or on the GPU where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from backbones.ops.scan import triton as triton_scan
from backbones.ops.scan import triton_split
from tests.backbones.ops import triton_cases

pytest.importorskip("triton")

HERE = Path(__file__)
SINGLE = ("float16", "bfloat16", "bfloat16, unaligned")
EXACT = ("repeat", "without state")


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Errors of all cases, from a process of their own: see `triton_cases`."""
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[3]), environment.get("PYTHONPATH", "")])
    if not torch.cuda.is_available():
        environment["TRITON_INTERPRET"] = "1"
    script = HERE.with_name("triton_cases.py")
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def _above(cases: dict[str, dict[str, float]], limit: float, names: Any = None) -> dict[str, dict[str, float]]:
    """The errors above `limit`, of the cases in full precision or of the named ones."""
    chosen = {n: e for n, e in cases.items() if (n in names if names else n not in SINGLE)}
    assert chosen
    found = {n: {q: v for q, v in e.items() if not v <= limit and q not in EXACT} for n, e in chosen.items()}
    return {n: e for n, e in found.items() if e}


@pytest.mark.parametrize("kind", ["scan", "conv"])
def test_forward_and_every_gradient_agree_with_float64(results: dict[str, Any], kind: str) -> None:
    assert _above(results[kind], 5e-6) == {}


@pytest.mark.parametrize(
    ("kind", "name", "limit"),
    [
        ("scan", "float16", 1e-3), ("scan", "bfloat16", 8e-3), ("scan", "bfloat16, unaligned", 8e-3),
        ("conv", "float16", 1e-3), ("conv", "bfloat16", 8e-3),
    ],
)  # fmt: skip
def test_half_precision_costs_its_rounding_only(results: dict[str, Any], kind: str, name: str, limit: float) -> None:
    assert _above(results[kind], limit, [name]) == {}
    # Gradients of parameters are float32 sums over float32 products: no rounding of theirs shows.
    sums = {q: v for q, v in results[kind][name].items() if q in ("dA", "dD", "ddelta_bias", "dweight", "dbias")}
    assert sums
    assert max(sums.values()) < 5e-6


def test_the_tangent_agrees_with_the_reference(results: dict[str, Any]) -> None:
    assert _above(results["tangent"], 5e-6) == {}
    assert _above(results["tangent"], 1e-2, ["bfloat16"]) == {}


def test_the_kernels_are_usable_and_repeat_bit_by_bit(results: dict[str, Any]) -> None:
    assert results["available"] is None
    assert {n: e["repeat"] for n, e in results["scan"].items() if e["repeat"]} == {}


def test_saving_the_state_changes_nothing(results: dict[str, Any]) -> None:
    assert {n: e["without state"] for n, e in results["scan"].items() if e["without state"]} == {}


def test_empty_input_launches_nothing(results: dict[str, Any]) -> None:
    assert results["empty"] == {"shapes": 0.0}


def test_without_a_gpu_the_reason_is_in_words() -> None:
    reason = triton_scan.available()
    if torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1":
        assert reason is None
    else:
        assert reason is not None
        assert "CUDA" in reason


@pytest.mark.parametrize("case", triton_cases.ON_GPU.values(), ids=triton_cases.ON_GPU)
def test_on_a_gpu_too_some_cases_are_cut_into_chunks(case: triton_cases.Case) -> None:
    shape = (case.batch * case.sequences, case.length // case.sequences, case.channels, case.states)
    forward = triton_split.split_forward(*shape, 4, 528, lambda group, steps: 2)
    assert min(plan.chunks for plan in (forward, triton_split.split_backward(*shape, 528, lambda group, steps: 2))) > 1


@pytest.mark.parametrize("batch", [1, 2, 8, 64])
@pytest.mark.parametrize("length", [1, 31, 32, 33, 1024, 16385, 38416])
@pytest.mark.parametrize("channels", [1, 96, 1536])
def test_a_split_covers_the_sequence_once_and_fills_the_chip(batch: int, length: int, channels: int) -> None:
    plans = [
        triton_split.split_forward(batch, length, channels, 16, 2, 528, lambda group, steps, warps=warps: warps)
        for warps in (2, 3)
    ]
    for plan in (*plans, triton_split.split_backward(batch, length, channels, 16, 528, lambda group, steps: 2)):
        assert (plan.chunks - 1) * plan.chunk < length <= plan.chunks * plan.chunk
        assert plan.chunk % triton_split.INTERVAL == 0
        assert triton_split.INTERVAL % plan.steps == 0
        assert plan.group in (1, 2, 4)
    # One sequence of the usual width leaves no multiprocessor idle, unless it is too short to be cut.
    for plan in plans:
        warps = batch * plan.chunks * -(-channels // (32 * plan.group))
        assert warps >= 132 or plan.chunk == triton_split.INTERVAL
