"""The parts of a spec that are not plug-ins: what is varied, trained, sampled and measured, and on what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from zigbench.spec import registry
from zigbench.spec.base import NOT_IDENTITY, Positive, Share, Spec, Unit
from zigbench.spec.faults import read


class ScanSpec(Spec):
    """Order in which the patches are visited: layer i uses variant i % schemes of the curve.

    Args:
        curve: a registered scan curve, its parameters in brackets (``blocked[size=8]``).
        schemes: how many of the curve's eight symmetries the layers take in turn.
    """

    curve: str = "zigzag"
    schemes: Positive = 8

    @field_validator("curve")
    @classmethod
    def _known(cls, name: str) -> str:
        base = name.partition("[")[0]
        if base not in registry.volumes.names():
            registry.curves.get(base)
        return name

    @property
    def label(self) -> str:
        """``curve-n``, as in the published tables."""
        return f"{self.curve}-{self.schemes}"


Above = Annotated[float, Field(gt=0.0)]

PATH_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "vp": ("beta_min", "beta_max"),
    "sub-vp": ("beta_min", "beta_max"),
    "ve": ("sigma_min", "sigma_max"),
    "cosine": ("offset",),
    "polynomial": ("degree",),
}
TIME_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "logit-normal": ("mean", "std"),
    "mode": ("skew",),
    "edm": ("mean", "std"),
    "grid": ("points",),
}


class InterpolantSpec(Spec):
    """Path between noise (t = 0) and data (t = 1), what the network predicts along it, and how it is trained.

    Args:
        path: α_t and σ_t of x_t = α_t · data + σ_t · noise.
        prediction: what the network's output means.
        weighting: of the squared error over time.
        time: distribution of training times.
        coupling: which noise goes with which image of a batch.
        beta_min, beta_max: of the paths vp and sub-vp.
        sigma_min, sigma_max: of the path ve.
        offset: of the path cosine.
        degree: of the path polynomial.
        mean, std: of the times logit-normal and edm.
        skew: of the times mode.
        points: of the times grid.
    """

    path: Literal["linear", "gvp", "vp", "ve", "sub-vp", "cosine", "polynomial", "linear-vp"] = "linear"
    prediction: Literal["velocity", "score", "noise", "data"] = "velocity"
    weighting: Literal["none", "velocity", "likelihood"] = "none"
    time: Literal["uniform", "logit-normal", "mode", "edm", "grid"] = "uniform"
    coupling: Literal["independent", "optimal-transport"] = "independent"
    beta_min: Above | None = None
    beta_max: Above | None = None
    sigma_min: Above | None = None
    sigma_max: Above | None = None
    offset: Above | None = None
    degree: Above | None = None
    mean: float | None = None
    std: Above | None = None
    skew: float | None = None
    points: Positive | None = None

    @model_validator(mode="after")
    def _only_what_its_members_have(self) -> Self:
        allowed = {*PATH_OPTIONS.get(self.path, ()), *TIME_OPTIONS.get(self.time, ())}
        for table, member, what in ((PATH_OPTIONS, self.path, "path"), (TIME_OPTIONS, self.time, "time")):
            for name in {option for options in table.values() for option in options} - allowed:
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} has no meaning for {what} {member!r}; leave it out")
        return self


STOCHASTIC = ("euler-maruyama", "stochastic-heun")


class SamplerSpec(Spec):
    """How samples are drawn: solver, steps, guidance; see :class:`zigbench.sampling.Sampler`.

    Args:
        solver: of the probability-flow ODE or the SDE; dopri5 chooses its own steps.
        steps: steps of the fixed grid.
        guidance: classifier-free guidance scale; 1 is none.
        guidance_interval: (first, last) time of guiding.
        guidance_channels: guide only the first so many channels, as DiT and SiT did; None for all.
        diffusion: form of w(t), for Euler–Maruyama and stochastic Heun.
        diffusion_scale: factor of w(t), for the same.
        last_step: how the last interval is taken, for the same.
        times: the grid of times, where it is not the solver's own.
        rtol, atol: tolerances of dopri5.
    """

    solver: Literal[
        "euler", "heun", "midpoint", "rk4", "dopri5", "ddim",
        "dpm-solver-1", "dpm-solver-2", "dpm-solver++-1", "dpm-solver++-2",
        "euler-maruyama", "stochastic-heun", "ddpm",
    ] = "euler"  # fmt: skip
    steps: Positive = 50
    guidance: Annotated[float, Field(ge=0.0)] = 1.0
    guidance_interval: tuple[Unit, Unit] | None = None
    guidance_channels: Positive | None = None
    diffusion: (
        Literal["constant", "sbdm", "sigma", "linear", "decreasing", "increasing-decreasing"] | None
    ) = None  # fmt: skip
    diffusion_scale: Above | None = None
    last_step: Literal["none", "mean", "tweedie", "euler"] | None = None
    times: Literal["uniform", "log-snr"] | None = None
    rtol: Above | None = None
    atol: Above | None = None

    @model_validator(mode="after")
    def _only_what_the_solver_has(self) -> Self:
        for names, solvers in (
            (("diffusion", "diffusion_scale", "last_step"), STOCHASTIC),
            (("rtol", "atol"), ("dopri5",)),
        ):
            for name in names:
                if getattr(self, name) is not None and self.solver not in solvers:
                    raise ValueError(
                        f"{name} has no meaning for solver {self.solver!r}; it is for {', '.join(solvers)}"
                    )
        return self

    @field_validator("guidance_interval")
    @classmethod
    def _in_order(cls, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        if interval is not None and interval[0] > interval[1]:
            raise ValueError("its first time lies after its last")
        return interval

    @property
    def options(self) -> dict[str, Any]:
        """What is set beyond solver, steps and guidance, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"solver", "steps", "guidance"})


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

    lr: Annotated[float, Field(gt=0.0)] = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: Annotated[float, Field(gt=0.0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    clip: Annotated[float, Field(gt=0.0)] = 2.0
    warmup: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["constant", "cosine"] = "constant"
    final: Unit = 0.0


class TrainingSpec(Spec):
    """Length and arithmetic of the training, what is averaged, what is kept.

    Args:
        steps: optimizer steps.
        batch: images a step, over all processes and accumulated parts together.
        accumulate: parts that a process computes its share of a step's batch in.
        ema: decay of the averaged weights, in [0, 1).
        ema_std: where given, averages with a power function of this relative width instead (Karras et al. 2024).
        precision: of matrix products and activations; weights and averages are always float32.
        compile: compile the network (rounds differently, hence part of a run's identity).
        distribution: whether each process holds the whole network or a shard of it.
        on_divergence: stop, or go back to the last multiple of ``rewind_every`` steps and halve the rate.
        rewind_every: steps between the points one can go back to.
        activation_checkpointing: recompute each block's activations in the backward pass.
        checkpoint_seconds: time between checkpoints.
        checkpoint_every: steps between checkpoints, beside those by time.
        keep_every: checkpoints at multiples of so many steps are never removed.
        log_every: steps a line of the log; None for about a thousand lines in all.
        sinks: where the log goes beside ``log.jsonl``, with the extra ``track``; what Weights & Biases gets stays on
            this machine where ``WANDB_MODE=offline`` is set.
    """

    steps: Positive = 400_000
    batch: Positive = 160
    accumulate: Positive = 1
    ema: Share = 0.9999
    ema_std: Annotated[float, Field(gt=0.0, lt=0.28)] | None = None
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    distribution: Literal["replicated", "sharded"] = "replicated"
    on_divergence: Literal["stop", "rewind"] = "stop"
    rewind_every: Positive = 1_000
    activation_checkpointing: bool = Field(default=False, json_schema_extra=NOT_IDENTITY)
    checkpoint_seconds: float = Field(default=60.0, gt=0.0, json_schema_extra=NOT_IDENTITY)
    checkpoint_every: Positive | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    keep_every: Positive | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    log_every: Positive | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    sinks: tuple[Literal["tensorboard", "wandb"], ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)


class EvaluationSpec(Spec):
    """What is measured after training, and on what.

    Args:
        metrics: names of registered metrics.
        samples: generated samples that the metrics of generation are computed on.
        batch: samples the network maps at once.
        preview: first samples kept for pictures.
        held_out: triples (image, noise, t) of the held-out loss.
        reference: images the samples are compared with: a split of the data (of latents, the pictures they were made
            of; ``train-decoded`` for what they decode to), or the path of a file of statistics.
        bootstrap: resamples behind an interval; 0 for none.
    """

    metrics: tuple[str, ...] = ()
    samples: Positive = 5_000
    batch: Positive = 100
    preview: Annotated[int, Field(ge=0)] = 64
    held_out: Positive = 1_024
    reference: str = "train"
    bootstrap: Annotated[int, Field(ge=0)] = 100

    @field_validator("reference")
    @classmethod
    def _readable(cls, reference: str) -> str:
        if reference.removesuffix("-decoded") not in ("train", "held-out") and not reference.endswith(".npz"):
            raise ValueError(
                "a reference is train, held-out, train-decoded, held-out-decoded, or the path of a file of statistics "
                "that ends in .npz"
            )
        return reference

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            registry.metrics.get(name)
        return names


class EfficiencySpec(Spec):
    """What is timed, in which arithmetic, and how long; part of runs whose task is ``efficiency``.

    Args:
        mode: a forward pass without gradients; a forward and a backward pass; or drawing samples with the spec's
            sampler, whose steps set the number of network evaluations.
        batch: samples a call.
        precision: of activations and matrix products. For training the weights stay float32 and the rest is autocast;
            otherwise the weights are converted too.
        compile: compile the network.
        cuda_graphs: replay each network evaluation as a captured graph; for GPUs, and not for training.
        device: kind of device that the run is for, and fails without; None for whatever there is.
        seconds: time given to the timed calls, once their time is steady.
        memory_gb: take the device as having so many GiB; None for all that it has.
        largest: what to search the largest of where the run does not fit.
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

    @model_validator(mode="after")
    def _graphs_without_gradients(self) -> Self:
        if self.cuda_graphs and self.mode == "training":
            raise ValueError("cuda_graphs are for inference and sampling; leave them out of mode 'training'")
        return self


class Resources(Spec):
    """What a run may use: how it is computed, not what, and so outside its identity.

    Args:
        gpus: GPUs a node.
        cpus: cores a process.
        memory_gb: memory a node.
        hours: time that one job asks for; a run that needs longer goes on in the next.
        partition: of a cluster; None for the profile's, or the cluster's own.
        nodes: nodes that train the run together.
        tasks: processes a node; None for one a GPU, or one where there is none.
        exclusive: have the node to itself, in a process of its own, and be ended after ``hours``: for what is timed.
    """

    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Positive = 1
    memory_gb: Annotated[float, Field(gt=0)] = 4.0
    hours: Annotated[float, Field(gt=0)] = 1.0
    partition: str | None = None
    nodes: Positive = 1
    tasks: Positive | None = None
    exclusive: bool = False

    @property
    def processes(self) -> int:
        """Processes a node."""
        return self.tasks or max(1, self.gpus)

    def override(self, changes: Mapping[str, Any]) -> Resources:
        """A copy with some of the fields changed.

        Raises:
            SpecError: lists every fault, with paths that begin with ``resources``.
        """
        if not changes:
            return self
        return read(Resources, {**self.model_dump(), **changes}, at="resources")
