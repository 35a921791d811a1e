"""The speeds in the release's README: a training with and without compilation and recomputed activations."""

from __future__ import annotations

from suites.throughput import GPU, ROUNDS
from zigbench.suite import Axis, Suite

ARMS = {
    "eager": {},
    "checkpointed": {"efficiency.activation_checkpointing": True},
    "compiled": {"efficiency.compile": True},
}

suite = Suite(
    name="training_speed",
    question="What do compilation and recomputed activations do to the speed and memory of a training?",
    base={
        "task": "efficiency",
        "data.name": "shape",
        "data.config.height": 32,
        "data.config.width": 32,
        "backbone": {"name": "zigma", "patch": 1, "config": {"size": "B"}},
        "position": "learned",
        "scan.curve": "zigzag",
        "scan.schemes": 8,
        "efficiency.mode": "training",
        # Required, as in suites.throughput: the published figures are of GPUs.
        "efficiency.device": "cuda",
        "efficiency.precision": "float16",
        "efficiency.batch": 20,
    },
    axes=(Axis("arm", ARMS), ROUNDS),
    equal={"parameters": 0.0},
    metrics=("latency", "memory_allocated", "fps", "compile_time"),
    baseline="eager",
    published=("training_speed",),
    published_as={
        arm: f"zigma (torch_compile={int(arm == 'compiled')}, gradient_checkpointing={int(arm == 'checkpointed')})"
        for arm in ARMS
    },
    resources=GPU.override({"hours": 0.1}),
    order=("seed", "arm"),
    notes=(
        "ZigMa-B/1 on 32×32×4 latents in float16. The README states neither batch nor GPU; 20 is the release's own. An "
        "optimizer's step, which is in its iterations, is not timed here.",
    ),
)
