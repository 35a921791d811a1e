"""Speed of the backbones: ZigMa against a stack of timm's transformer blocks, and what fusing saves.

Run with ``pytest tests/benchmarks/test_backbones.py --benchmark-only``. The comparison is in processor time of one
thread, the two sides in turn, so that other load on the machine disturbs little.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn.functional import rms_norm

from backbones.layers import modulation
from backbones.ops import norm
from zigbench.backbone import Geometry, build

WIDTH, DEPTH, BATCH, SIDE = 384, 4, 8, 32
ROUNDS = 3


def step(network: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> Callable[[], None]:
    return lambda: network(*inputs).square().mean().backward()


def interleaved(*calls: Callable[[], None]) -> list[float]:
    """Median processor seconds of each call, taken in turn so that a change of the machine's speed meets them all."""
    times: list[list[float]] = [[] for _ in calls]
    for round_ in range(ROUNDS + 1):
        for call, into in zip(calls, times, strict=True):
            start = time.process_time()
            call()
            if round_:
                into.append(time.process_time() - start)
    return [statistics.median(into) for into in times]


def test_zigma_takes_at_most_six_tenths_of_a_transformer(benchmark: Any) -> None:
    torch.set_num_threads(1)
    geometry = Geometry(4, SIDE, SIDE, 1)
    zigma = build("zigma", geometry, seed=0, width=WIDTH, depth=DEPTH)
    transformer = nn.Sequential(*(Block(WIDTH, 6) for _ in range(DEPTH)))
    ours = step(zigma, torch.randn(BATCH, 4, SIDE, SIDE), torch.rand(BATCH))
    peer = step(transformer, torch.randn(BATCH, SIDE * SIDE, WIDTH))
    mine, theirs = interleaved(ours, peer)
    benchmark.extra_info["seconds_of_timm"] = theirs
    benchmark.extra_info["ratio"] = mine / theirs
    benchmark.pedantic(ours, rounds=1)
    assert mine <= 0.6 * theirs


@pytest.mark.parametrize("form", ["fused", "plain"])
def test_norm_modulation_and_gate(benchmark: Any, form: str) -> None:
    tokens = (BATCH, SIDE * SIDE, WIDTH)
    x, residual, branch = (torch.randn(tokens, requires_grad=True) for _ in range(3))
    weight, parts = torch.ones(WIDTH, requires_grad=True), torch.randn(BATCH, 3 * WIDTH, requires_grad=True)
    gradient = torch.randn(tokens)

    def run() -> None:
        shift, scale, gate = parts.chunk(3, dim=1)
        if form == "fused":
            total, h, m = norm.add_norm_modulate(x, residual, weight, shift, scale, 1e-5, keep=True)
            out = norm.gated(h, gate, branch)
        else:
            total = x + residual
            h = rms_norm(total, weight.shape, weight, 1e-5)
            m = modulation.modulate(h, shift, scale)
            out = modulation.gated(h, gate, branch)
        torch.autograd.backward([out, total, m], [gradient] * 3)

    benchmark.extra_info["bytes_of_one_pass"] = x.nbytes
    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("name", ["zigma", "bidirectional", "parallel", "dit", "u-vit"])
def test_a_training_step_of_the_miniature(benchmark: Any, name: str) -> None:
    network = build(name, Geometry(1, 8, 8, 1, classes=10), seed=0, width=32, depth=8)
    x, t, label = torch.randn(32, 1, 8, 8), torch.rand(32), torch.arange(32) % 10
    benchmark.pedantic(lambda: network(x, t, label=label).square().mean().backward(), rounds=20, warmup_rounds=2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
