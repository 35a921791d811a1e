"""How many images a second does a user get, with and without compilation and CUDA graphs?"""

from __future__ import annotations

from suites.throughput import BASE, CPU, GPU, MATCHED, MINIATURE, ON_CPU, ON_GPU, SMALL, arms
from zigbench.suite import Axis, Profile, Suite, grid

COMPILED = {"efficiency.compile": True}
CAPTURED = {"efficiency.cuda_graphs": True}

suite = Suite(
    name="throughput_sampling",
    question="How many images a second does each family draw, and what do compilation and CUDA graphs gain?",
    base={**ON_GPU, "efficiency.mode": "sampling", "sampler.solver": "euler"},
    axes=(
        arms(BASE),
        Axis("how", {"eager": {}, "compiled": COMPILED, "graphs": CAPTURED, "both": {**COMPILED, **CAPTURED}}),
        grid("sampler.steps", (10, 50), name="evaluations"),
        grid("seed", (0,)),
    ),
    equal=MATCHED,
    metrics=("fps", "latency", "memory_allocated", "compile_time"),
    baseline="zigma",
    figures=("throughput_sampling",),
    resources=GPU.override({"hours": 0.1}),
    order=("seed", "evaluations", "how", "arm"),
    notes=("Euler's method, one network evaluation a step, on 32×32 grids at batch 1.",),
    profiles={
        "miniature": Profile(
            base={**ON_CPU, "data.config.height": 16, "data.config.width": 16},
            axes=(
                arms({name: SMALL[name] for name in ("zigma", "dit", "u-vit")}),
                Axis("how", {"eager": {}, "compiled": COMPILED}),
                grid("sampler.steps", (5,), name="evaluations"),
                grid("seed", (0,)),
            ),
            resources=CPU.override({"hours": 0.05}),
            notes=(MINIATURE, "Euler's method, one network evaluation a step, on 16×16 grids at batch 1."),
        )
    },
)
