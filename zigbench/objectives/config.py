"""Configs of the built-in objectives, which planning reads without torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from zigbench.spec import RunSpec
from zigbench.spec.base import Above, Positive, Share, Unit
from zigbench.spec.errors import Fault
from zigbench.spec.plugins import ObjectiveConfig
from zigbench.spec.registry import metrics, objectives


@objectives.register("interpolant")
class InterpolantConfig(ObjectiveConfig):
    """The regression of ``interpolant.prediction`` along the path, weighted by ``interpolant.weighting``; the default.

    Flow matching, score matching, the prediction of noise and of data: Lipman et al. (2023), Albergo et al. (2023).
    """

    implementation: ClassVar[str] = "zigbench.objectives.interpolant:InterpolantObjective"


@objectives.register("mean-flow")
class MeanFlowConfig(ObjectiveConfig):
    """The mean velocity of every interval of the flow, so that one step crosses it; Geng et al. (2025).

    With u(x, t, r) = (1 / (r − t)) ∫_t^r v, its identity (section 4.1) reads, for a flow to data at time 1:
    u = v + (r − t) (v · ∂_x u + ∂_t u). The network is regressed on the right side, held fixed,
    with derivatives in forward mode. Sampled with ``mean-flow``, in any number of steps, or as a velocity, u(x, t, t).

    Attributes:
        intervals: share of samples whose interval is longer than a moment (the source: 0.25).
        guidance: scale ω of the guidance that is trained in (section 4.2), so that sampling needs no second network
            evaluation; 1 is none.
        mixing: share κ of the conditional prediction in the guided velocity (the source's appendix B.1); the
            scale in effect is ω / (1 − κ).
        power, offset: p and c of the weight 1 / (‖error‖² + c)^p, held fixed (section 4.3); a power of 0 is none. With
            a power of 1 the logged loss stays near 1 while the error falls.
    """

    implementation: ClassVar[str] = "zigbench.objectives.mean_flow:MeanFlow"
    times: ClassVar[int] = 2

    intervals: Unit = 0.25
    guidance: Annotated[float, Field(ge=0)] = 1.0
    mixing: Share = 0.0
    power: Annotated[float, Field(ge=0)] = 1.0
    offset: Above = 1e-3

    @property
    def further_evaluations(self) -> float:
        return 2 * self.intervals + (self.guidance != 1 or self.mixing > 0) + (self.mixing > 0)

    def faults(self, run: RunSpec) -> Iterator[Fault]:
        yield from faults_of_path(run, "mean-flow", ("linear", "gvp"), ("velocity",))
        geometry = run.geometry
        if self.guidance == 1 and self.mixing == 0:
            return
        if geometry.classes is None and geometry.context is None:
            key, value = ("guidance", self.guidance) if self.guidance != 1 else ("mixing", self.mixing)
            problem = "the data have neither classes nor text, so guidance has no condition"
            yield Fault(f"objective.config.{key}", str(value), problem, "leave it out")
        elif run.backbone.config.label_dropout == 0:
            problem = "backbone.config.label_dropout is 0, so the network is never trained without a condition"
            yield Fault("objective.config.guidance", str(self.guidance), problem, "set label_dropout above 0")


def faults_of_path(
    run: RunSpec, objective: str, paths: tuple[str, ...], predictions: tuple[str, ...]
) -> Iterator[Fault]:
    """Yield the faults of a path, a prediction or a weighting that an objective is not defined for."""
    interpolant = run.interpolant
    for key, value, allowed in (
        ("path", interpolant.path, paths),
        ("prediction", interpolant.prediction, predictions),
        ("weighting", interpolant.weighting, ("none",)),
    ):
        if value not in allowed:
            problem = f"the objective {objective!r} is not defined for it"
            yield Fault(f"interpolant.{key}", repr(value), problem, f"take {' or '.join(map(repr, allowed))}")


@objectives.register("consistency")
class ConsistencyConfig(ObjectiveConfig):
    """The map from any point of the flow to its end at the data; Song et al. (2023), trained as Geng et al. (2024).

    f(x, t), the expected datum that the network's output stands for, is pulled to f(x_r, r) of the same noise at a
    later time r, held fixed. With s = σ/α the noise over the data, ECT's schedule is s_r = s (1 − n(s)/q^a), 0 at
    least, n(s) = 1 + k / (1 + exp(b s)): first to the data themselves, then closer and closer to t. At t = 1 the map is
    the identity by its form. The source begins with a trained diffusion model: set ``training.start``. Sampled with
    ``consistency``, in one step or several.

    Attributes:
        base: q; the distance between the two times shrinks by it with every stage.
        doubling: steps of a stage; a is 1 in the first, 2 in the second, …
        edge, decay: k and b of n(s), by which times of little noise are further apart.
        huber: c / √(entries) of the pseudo-Huber distance √(‖error‖² + c²) − c (Song & Dhariwal 2023, section 3.3).
        data_std: of the weight 1/s² + 1/std², EDM's; the source's 0.5 is that of images in [−1, 1].
    """

    implementation: ClassVar[str] = "zigbench.objectives.consistency:Consistency"
    solver: ClassVar[str] = "consistency"
    determines_score: ClassVar[bool] = False

    further_evaluations: ClassVar[float] = 1.0

    base: Annotated[float, Field(gt=1)] = 2.0
    doubling: Positive = 10_000
    edge: Annotated[float, Field(ge=0)] = 8.0
    decay: Annotated[float, Field(ge=0)] = 1.0
    huber: Above = 0.00054
    data_std: Above = 0.5

    def faults(self, run: RunSpec) -> Iterator[Fault]:
        yield from faults_of_path(run, "consistency", ("linear", "gvp"), ("velocity",))
        yield from faults_of_metrics(run)


@objectives.register("denoising-score")
class DenoisingScoreConfig(ObjectiveConfig):
    """The score at discrete noise levels; Song & Ermon (2019), equation 6, each level weighted by its variance.

    The levels of the path ``ve`` are geometric, from ``interpolant.sigma_max`` to ``interpolant.sigma_min``. Sampled
    with ``annealed-langevin`` in as many steps as there are levels, or with any solver of the interpolant.

    Attributes:
        levels: number of noise levels.
    """

    implementation: ClassVar[str] = "zigbench.objectives.denoising_score:DenoisingScore"

    levels: Positive = 10

    def faults(self, run: RunSpec) -> Iterator[Fault]:
        yield from faults_of_path(run, "denoising-score", ("ve",), ("score",))


class DistillationConfig(ObjectiveConfig):
    """The base of objectives that follow a teacher, ``objective.teacher``: a network of the run's own form."""

    needs_teacher: ClassVar[bool] = True
    determines_score: ClassVar[bool] = False
    paths: ClassVar[tuple[str, ...]] = ("linear", "gvp")

    def faults(self, run: RunSpec) -> Iterator[Fault]:
        assert run.objective is not None
        yield from faults_of_path(run, run.objective.name, self.paths, ("velocity",))


@objectives.register("consistency-distillation")
class ConsistencyDistillationConfig(DistillationConfig):
    """The map to the end of a teacher's flow, equal at neighbouring points of it; Song et al. (2023), algorithm 2.

    As ``consistency``, with the second point one step of Heun's method along the teacher's flow from the first, and
    with the present weights, held fixed, in the place of their average.

    Attributes:
        points: neighbours between noise of 80 times the data and of 0.002, at equal steps of its logarithm.
        huber, data_std: as of ``consistency``.
    """

    implementation: ClassVar[str] = "zigbench.objectives.consistency:ConsistencyDistillation"
    solver: ClassVar[str] = "consistency"

    further_evaluations: ClassVar[float] = 3.0

    points: Positive = 18
    huber: Above = 0.00054
    data_std: Above = 0.5

    def faults(self, run: RunSpec) -> Iterator[Fault]:
        yield from super().faults(run)
        yield from faults_of_metrics(run)


@objectives.register("reflow")
class ReflowConfig(DistillationConfig):
    """The velocity of straight lines from noise to the samples that a teacher makes of it; Liu et al. (2022).

    The flow of a student is straighter than its teacher's; a student may be the teacher of the next.

    Attributes:
        steps: of Heun's method along the teacher's flow, two evaluations each, in every training step.
    """

    implementation: ClassVar[str] = "zigbench.objectives.reflow:Reflow"
    paths: ClassVar[tuple[str, ...]] = ("linear",)

    steps: Positive = 8

    @property
    def further_evaluations(self) -> float:
        return 2.0 * self.steps


@objectives.register("progressive-distillation")
class ProgressiveDistillationConfig(DistillationConfig):
    """A student whose step of DDIM ends where two of its teacher's do; Salimans & Ho (2022).

    A student may be the teacher of the next, of half the steps. Sampled with ``ddim`` (on the straight path ``euler``
    is the same) in its own number of steps.

    Attributes:
        steps: of the student from noise to data.
    """

    implementation: ClassVar[str] = "zigbench.objectives.progressive_distillation:ProgressiveDistillation"

    further_evaluations: ClassVar[float] = 2.0

    steps: Positive = 4


def faults_of_metrics(run: RunSpec) -> Iterator[Fault]:
    """Yield the faults of metrics that read the network as a flow, for a network that jumps to its end."""
    for name in run.evaluation.metrics:
        if not metrics.get(name).reads_samples:
            problem = "reads the network as a flow, and one of this objective jumps to its end"
            yield Fault("evaluation.metrics", repr(name), problem, "take metrics of samples")
