"""How many network evaluations one sample takes, told from the spec alone."""

from __future__ import annotations

from zigbench.spec import SamplerSpec

EVALUATIONS = {
    "euler": (1, 0), "ddim": (1, 0), "heun": (2, 0), "midpoint": (2, 0), "rk4": (4, 0), "ddpm": (1, 0),
    "dpm-solver-1": (1, 0), "dpm-solver-2": (2, 1), "dpm-solver++-1": (1, 0), "dpm-solver++-2": (1, 0),
    "euler-maruyama": (1, 0), "stochastic-heun": (2, 1),
}  # fmt: skip
"""Of each fixed-step solver without guidance: so many a step, less so many in the last."""


def network_evaluations(sampler: SamplerSpec) -> int | None:
    """Evaluations a sample takes, guidance counted twice; None where the spec does not fix the number."""
    settings = sampler.model_dump()
    if sampler.solver not in EVALUATIONS or tuple(settings.get("guidance_interval") or (0, 1)) != (0, 1):
        return None
    per_step, less = EVALUATIONS[sampler.solver]
    return (per_step * sampler.steps - less) * (1 if sampler.guidance == 1 else 2)
