"""How fast are the ways of scanning clips, and what memory do they take, over the number of frames?"""

from __future__ import annotations

from suites.throughput import CPU, GPU, MATCHED, METRICS, MINIATURE, MODES, ON_CPU, ROUND, ROUNDS
from suites.throughput_video import BASE, LATENT, LATENTS, SMALL, clips
from zigbench.suite import Profile, Suite

suite = Suite(
    name="throughput_frames",
    question="How do the ways of scanning a clip scale with its length, beside attention?",
    base=LATENTS,
    axes=(BASE, clips([(frames, 16) for frames in (4, 8, 16, 32, 64, 128)]), MODES, ROUNDS),
    equal=MATCHED,
    metrics=METRICS,
    baseline="ssts",
    figures=("throughput", "memory", "memory_kinds", "roofline"),
    resources=GPU,
    order=("seed", "clip", "mode", "arm"),
    notes=(ROUND, LATENT),
    profiles={
        "miniature": Profile(
            base={**ON_CPU, "efficiency.mode": "training"},
            axes=(SMALL, clips([(frames, 8) for frames in (4, 16, 64)]), ROUNDS),
            resources=CPU,
            notes=(ROUND, LATENT, MINIATURE, "Forward and backward pass on clips whose frames have 8×8 patches."),
        )
    },
)
