"""The optimizer of a run: AdamW and the schedule of its learning rate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zigbench.spec.base import Above, Share, Spec, Unit


class OptimizerSpec(Spec):
    """AdamW with linear warm-up; norms, biases and the state space's A_log and D are not decayed.

    Args:
        lr: learning rate after the warm-up.
        betas: decay of the first and second moments.
        eps: added to the root of the second moment.
        weight_decay: decoupled decay of the matrices.
        clip: greatest norm of the whole gradient that enters a step.
        warmup: steps over which the rate rises linearly to ``lr``.
        schedule: of the rate after the warm-up.
        final: share of ``lr`` at which the cosine ends.
    """

    lr: Above = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: Above = 1e-8
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    clip: Above = 2.0
    warmup: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["constant", "cosine"] = "constant"
    final: Unit = 0.0
