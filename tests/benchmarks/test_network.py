"""Whole networks and a step of a sampler, as users call them. Run with ``--benchmark-only``."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from zigbench.backbone import Geometry, build
from zigbench.interpolant import Interpolant
from zigbench.sampling import sample

GEOMETRY = Geometry(4, 32, 32, 1)
WIDTH, DEPTH = 256, 4


def network(name: str) -> torch.nn.Module:
    return build(name, GEOMETRY, seed=0, width=WIDTH, depth=DEPTH).eval()


@pytest.mark.parametrize("name", ["zigma", "bidirectional", "vision-mamba", "parallel", "dit", "u-vit"])
def test_a_forward_pass(benchmark: Any, name: str) -> None:
    model, x, t = network(name), torch.randn(1, 4, 32, 32), torch.rand(1)
    with torch.inference_mode():
        out = benchmark.pedantic(lambda: model(x, t), rounds=20, warmup_rounds=3)
    assert out.isfinite().all()


@pytest.mark.parametrize("solver", ["euler", "heun", "dpm-solver++-2", "euler-maruyama"])
def test_a_step_of_a_sampler_beside_its_network(benchmark: Any, solver: str) -> None:
    model, noise = network("zigma"), torch.randn(1, 4, 32, 32)

    def draw() -> torch.Tensor:
        return sample(model, Interpolant(), noise, solver=solver, steps=4, generator=[0])

    benchmark.extra_info["steps"] = 4
    assert benchmark.pedantic(draw, rounds=5, warmup_rounds=1).isfinite().all()
