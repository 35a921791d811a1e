"""The timing of a run whose task is ``efficiency``: what is timed, in which arithmetic, how long."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zigbench.spec.base import Above, Positive, Spec, later_key


class EfficiencySpec(Spec):
    """The network call that is timed, its arithmetic, and the time given to it.

    Args:
        mode: a forward pass without gradients; a forward and a backward pass; or drawing samples with the spec's
            sampler, whose steps set the number of network evaluations.
        batch: samples a call.
        precision: of activations and matrix products. For training the weights stay float32 and the rest is autocast;
            otherwise the weights are converted too.
        compile: compile the network.
        cuda_graphs: replay each network evaluation as a captured graph; for GPUs, and not for training.
        device: kind of device that the run needs; None for any.
        seconds: time given to the timed calls, once their time is steady.
        memory_gb: GiB of the device's memory that the run may use; None for all.
        activation_checkpointing: recompute each block's activations in the backward pass; for training.
        largest: the size of which to search the largest that fits, if the run does not fit.
    """

    mode: Literal["inference", "training", "sampling"] = "inference"
    batch: Positive = 1
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    cuda_graphs: bool = False
    device: Literal["cpu", "cuda"] | None = None
    seconds: Above = 1.0
    memory_gb: Above | None = None
    largest: Literal["patches", "batch"] | None = None
    activation_checkpointing: bool = later_key(False)

    @model_validator(mode="after")
    def _fits_the_mode(self) -> Self:
        if self.cuda_graphs and self.mode == "training":
            raise ValueError("cuda_graphs are for inference and sampling; leave them out of mode 'training'")
        if self.activation_checkpointing and self.mode != "training":
            raise ValueError("activation_checkpointing is for training: other modes have no backward pass")
        return self
