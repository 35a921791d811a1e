"""What the training loop itself costs a step of about 10 ms: at most 3 % over forward, backward and update.

Run with ``OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 pytest tests/benchmarks/test_training_loop.py --benchmark-only -s``.
Both sides are measured in processor time of the thread that trains, alternating, so that other load disturbs little.
"""

from __future__ import annotations

import itertools
import statistics
import time
from pathlib import Path

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from zigbench.backbone import build
from zigbench.data.config import DigitsConfig
from zigbench.data.digits import Digits
from zigbench.data.split import Split
from zigbench.interpolant import Interpolant
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.training import fit

STEPS = 60
BATCH = 4


def bare(model: nn.Module, split: Split) -> float:
    """Median seconds of forward, backward and update on material that lies ready."""
    interpolant = Interpolant()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    batch = split.batch(range(BATCH))
    noise, t = interpolant.draw(batch.x, torch.Generator().manual_seed(0))
    times = []
    for _ in range(STEPS):
        begun = time.thread_time()
        optimizer.zero_grad(set_to_none=True)
        interpolant.loss(model, batch.x, noise=noise, t=t, label=batch.label).mean().backward()
        optimizer.step()
        times.append(time.thread_time() - begun)
    return statistics.median(times[5:])


def looped(model: nn.Module, split: Split, folder: Path) -> float:
    """Median seconds between two steps of the loop."""
    told = []
    fit(
        model,
        Interpolant(),
        split,
        optimizer=OptimizerSpec(lr=1e-4),
        training=TrainingSpec(steps=STEPS, batch=BATCH),
        seed=0,
        folder=folder,
        label_dropout=0.1,
        on_step=lambda step, loss: told.append(time.thread_time()),
    )
    return statistics.median(b - a for a, b in itertools.pairwise(told[5:]))


def test_the_loops_own_share_of_a_step(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    split = Digits(DigitsConfig()).split("train")
    model = build("zigma", DigitsConfig().geometry(1), seed=0, width=32, depth=8)
    rounds = []

    def alternate() -> None:
        alone = bare(model, split)
        rounds.append((alone, looped(model, split, tmp_path / str(len(rounds)))))

    benchmark.pedantic(alternate, rounds=7, warmup_rounds=1)
    share = statistics.median(looped / alone - 1 for alone, looped in rounds[1:])
    benchmark.extra_info["step_ms"] = 1e3 * min(alone for alone, _ in rounds[1:])
    benchmark.extra_info["loop_share"] = share
    assert share <= 0.03
