"""A run: its parts put together, checked against each other, with an identity."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from zigbench.spec import registry
from zigbench.spec.base import Spec, canonical_json, identity, later_key
from zigbench.spec.errors import Fault, SpecError
from zigbench.spec.faults import read
from zigbench.spec.files import short_sha256
from zigbench.spec.geometry import Geometry
from zigbench.spec.network import NetworkSpec
from zigbench.spec.overrides import merge, nest
from zigbench.spec.plugins import DataSpec, ObjectiveConfig, ObjectiveSpec
from zigbench.spec.presets import PRESETS, faults_of_preset, with_preset
from zigbench.spec.sections import (
    EfficiencySpec,
    EvaluationSpec,
    InterpolantSpec,
    OptimizerSpec,
    SamplerSpec,
    TrainingSpec,
)
from zigbench.spec.sections.training import Width
from zigbench.spec.solvers import SOLVERS

DEFAULT_OBJECTIVE = "interpolant"
"""The objective of a run that names none."""

TRAINED = "run:"
"""Beginning of a text that names weights: those of a training, by its id."""


class RunSpec(NetworkSpec):
    """A run of any task: a :class:`TrainingRun`, an :class:`EvaluationRun` or an :class:`EfficiencyRun`.

    Build one with :meth:`parse`, which reports every fault at once.

    Every section is part of every run, also if its task does not use it.

    Args:
        task: train a network and measure it, measure given weights, or time a network as it is initialised.
        objective: what the network is trained for; None for the regression of the interpolant's prediction.
        seed: the seed from which all random numbers of the run are derived.
    """

    task: Literal["train", "evaluate", "efficiency"] = "train"
    interpolant: InterpolantSpec = InterpolantSpec()
    sampler: SamplerSpec = SamplerSpec()
    data: DataSpec
    optimizer: OptimizerSpec = OptimizerSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    objective: ObjectiveSpec | None = later_key(None)

    @field_validator("objective")
    @classmethod
    def _leave_out_default(cls, objective: ObjectiveSpec | None) -> ObjectiveSpec | None:
        """Return None for the default objective, so that a run that names it is the run that does not."""
        default = objective is not None and objective.name == DEFAULT_OBJECTIVE and objective.teacher is None
        return None if default else objective

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        """Check the parts against each other."""
        try:
            geometry = self.geometry
        except ValueError as error:
            raise SpecError([Fault("backbone.patch", str(self.backbone.patch), str(error))]) from None
        faults = list(self.faults(geometry))
        for name in self.evaluation.metrics:
            problems = registry.metrics.get(name).faults(geometry)
            faults.extend(Fault("evaluation.metrics", repr(name), problem) for problem in problems)
        faults.extend(self._faults_of_guidance(geometry))
        faults.extend(self._faults_of_coupling())
        faults.extend(self._faults_of_objective())
        if self.training.extends is not None and self.optimizer.schedule != "constant":
            problem = f"the schedule {self.optimizer.schedule!r} depends on the number of steps"
            faults.append(
                Fault("training.extends", self.training.extends, problem, "set optimizer.schedule to constant")
            )
        if self.evaluation.preset is not None:
            faults.extend(faults_of_preset(self.resolved()))
        if self.evaluation.labels != "balanced" and geometry.classes is None:
            faults.append(Fault("evaluation.labels", repr(self.evaluation.labels), "the data have no classes"))
        if faults:
            raise SpecError(faults)
        return self

    def _faults_of_guidance(self, geometry: Geometry) -> Iterator[Fault]:
        scale, channels = self.sampler.guidance, self.sampler.guidance_channels
        if scale != 1 and geometry.classes is None and geometry.context is None:
            problem = "the data have neither classes nor text, so guidance has no condition"
            yield Fault("sampler.guidance", str(scale), problem, "leave it at 1")
        elif scale != 1 and geometry.classes is not None and self.backbone.config.label_dropout == 0:
            problem = "backbone.config.label_dropout is 0, so the network is never trained without labels"
            yield Fault("sampler.guidance", str(scale), problem, "leave it at 1, or set label_dropout above 0")
        if channels is not None and channels > geometry.channels:
            yield Fault("sampler.guidance_channels", str(channels), f"the data's channels are {geometry.channels}")
        if scale := self.sampler.classifier_scale:
            for problem in self._problems_of_classifier(geometry):
                yield Fault("sampler.classifier_scale", str(scale), problem, "leave it at 0")

    def _faults_of_coupling(self) -> Iterator[Fault]:
        solver, coupling = self.sampler.solver, self.interpolant.coupling
        noisy = (SOLVERS[solver].kind == "sde" and not SOLVERS[solver].objectives) or bool(self.sampler.eta)
        if noisy and coupling != "independent":
            problem = (
                f"it needs the score, which a velocity determines for independent noise, and here it is {coupling!r}"
            )
            yield Fault("sampler.solver", repr(solver), problem, "choose a solver of the ODE, without sampler.eta")

    def _problems_of_classifier(self, geometry: Geometry) -> Iterator[str]:
        """Yield the reasons why no classifier can guide this run's samples."""
        if geometry.classes is None:
            yield "the data have no classes, so there is no classifier"
        elif not geometry.digits:
            yield "the classifier of noisy images reads labelled grey digits of 8×8 or 28×28"
        if not self.objective_config.determines_score:
            yield f"networks of the objective {self.objective and self.objective.name!r} determine no score"
        if self.interpolant.coupling != "independent":
            yield f"a velocity determines the score for independent noise, and here it is {self.interpolant.coupling!r}"
        if self.task == "efficiency":
            yield "the task 'efficiency' times the network alone"

    def _faults_of_objective(self) -> Iterator[Fault]:
        name = DEFAULT_OBJECTIVE if self.objective is None else self.objective.name
        config, solver = self.objective_config, self.sampler.solver
        owners, times = SOLVERS[solver].objectives, getattr(self.backbone.config, "times", 1)
        if config.solver not in (None, solver):
            problem = f"can't sample a network of the objective {name!r}"
            yield Fault("sampler.solver", repr(solver), problem, f"take {config.solver!r}")
        elif owners and name not in owners:
            problem = f"samples networks of the objective {' or '.join(map(repr, owners))}, and this one is {name!r}"
            yield Fault("sampler.solver", repr(solver), problem)
        if (paths := SOLVERS[solver].paths) and self.interpolant.path not in paths:
            problem = f"is not defined on the path {self.interpolant.path!r}"
            yield Fault("sampler.solver", repr(solver), problem, f"take the path {' or '.join(map(repr, paths))}")
        if times != config.times:
            problem = f"the objective {name!r} trains networks of {config.times} time input(s)"
            if "times" in type(self.backbone.config).model_fields:
                yield Fault("backbone.config.times", str(times), problem, f"set it to {config.times}")
            else:
                yield Fault("backbone.name", repr(self.backbone.name), f"{problem}, and this one has {times}")
        teacher = None if self.objective is None else self.objective.teacher
        if config.needs_teacher and teacher is None:
            yield Fault(
                "objective.teacher", "", f"the objective {name!r} follows a trained network", "set it to run:ID"
            )
        elif teacher is not None and not config.needs_teacher:
            yield Fault("objective.teacher", teacher[:20], f"the objective {name!r} follows none", "leave it out")
        yield from config.faults(self)

    @property
    def objective_config(self) -> ObjectiveConfig:
        """Config of the run's objective, the default one too."""
        config: ObjectiveConfig = (self.objective or ObjectiveSpec()).config
        return config

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read a run from nested or dotted keys: of any task, or of the class's own.

        Raises:
            SpecError: lists every fault with its path, its value and what is allowed.
        """
        nested = with_preset(nest(raw))
        task = nested.get("task", "train")
        # An unknown task is a fault that the common part reports, with those of the other keys.
        model = next((model for name, model in TASKS.items() if name == task), RunSpec) if cls is RunSpec else cls
        faults: list[Fault] = []
        for name, other in TASKS.items():
            for key in other.model_fields.keys() - RunSpec.model_fields.keys():
                if not issubclass(model, other) and nested.pop(key, None) is not None:
                    faults.append(Fault(key, "", f"belongs to the task {name!r}, and to no other", "leave it out"))
        try:
            spec = read(model, nested)
        except SpecError as error:
            faults = [*error.faults, *_faults_between_others(model, nested, error), *faults]
        if faults:
            raise SpecError(faults)
        return cast(Self, spec)

    def override(self, changes: Mapping[str, Any]) -> RunSpec:
        """Return a copy with dotted keys changed, parsed anew.

        Raises:
            SpecError: as :meth:`parse`.
        """
        base = self.resolved()
        if (preset := PRESETS.get(nest(changes).get("evaluation", {}).get("preset"))) is not None:
            base = merge(base, preset.keys)
        return RunSpec.parse(merge(base, changes))

    def resolved(self) -> dict[str, Any]:
        """Return the whole spec as JSON values, defaults included; keys without a meaning for this run are absent."""
        return self.model_dump(mode="json", exclude_none=True)

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the resolved spec as sorted JSON.

        Fields marked :data:`NOT_IDENTITY` are left out.
        """
        parts = {name: getattr(self, name) for name in type(self).model_fields}
        members = {name: part.identity_json for name, part in parts.items() if isinstance(part, Spec)}
        own = self.model_dump(mode="json", exclude_none=True, exclude=set(members))
        members |= {name: canonical_json(value) for name, value in identity(type(self), own).items()}
        return short_sha256("{" + ",".join(f'"{name}":{members[name]}' for name in sorted(members)) + "}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the runs whose weights this one needs: they must have finished before it can begin."""
        return ()

    @property
    def geometry(self) -> Geometry:
        """Shape of the data in this run's patches."""
        return self.data.config.geometry(self.backbone.patch)


class TrainingRun(RunSpec):
    """A run that trains a network and measures it."""

    task: Literal["train"] = "train"

    @property
    def needs(self) -> tuple[str, ...]:
        teacher = None if self.objective is None else self.objective.teacher
        named = (self.training.start, self.training.extends, teacher)
        return tuple(dict.fromkeys(run for weights in named for run in _named(weights)))

    @property
    def extended(self) -> str | None:
        """The id of the shorter training that this one extends; None where it does all of its steps."""
        return next(iter(_named(self.training.extends)), None)


class EvaluationRun(RunSpec):
    """A run that measures given weights.

    Args:
        weights: SHA-256 of the weights; for the task ``evaluate`` alone. ``run:ID`` stands for the averaged weights of
            a training that is finished, by its id. In a plan also the name of a released file, until it is imported.
        ema_std: relative width of the averaged weights, recombined from the snapshots that the run kept
            (``training.ema_widths``); None for the average that it ended with.
    """

    task: Literal["evaluate"] = "evaluate"
    weights: Annotated[str, Field(pattern=r"^([0-9a-f]{64}|run:[0-9a-f]{16}|[\w.-]+\.(pt|pth|safetensors))$")]
    ema_std: Width | None = later_key(None)

    @property
    def trained(self) -> str | None:
        """The id of the training whose averaged weights are measured; None for weights given by their content."""
        return next(iter(self.needs), None)

    @property
    def needs(self) -> tuple[str, ...]:
        return _named(self.weights)

    @model_validator(mode="after")
    def _check_width(self) -> Self:
        if self.ema_std is not None and self.trained is None:
            problem = "a width is recombined from a run's snapshots, and weights names no run"
            raise SpecError([Fault("ema_std", str(self.ema_std), problem, "set weights to run:ID")])
        return self


class EfficiencyRun(RunSpec):
    """A run that times a network as it is initialised.

    Args:
        efficiency: what is timed and how; for the task ``efficiency`` alone.
    """

    task: Literal["efficiency"] = "efficiency"
    efficiency: EfficiencySpec = EfficiencySpec()


TASKS: Mapping[str, type[RunSpec]] = {"train": TrainingRun, "evaluate": EvaluationRun, "efficiency": EfficiencyRun}
"""The type of a run by its task."""


class Sections:
    """The sections of runs that were parsed before, for runs that share most of theirs.

    Sections of equal content are one object, which is read and written as JSON once.
    """

    # Without the scan, whose defaults depend on the backbone.
    NAMES = (
        "backbone", "interpolant", "sampler", "data", "optimizer", "training", "evaluation", "efficiency", "objective",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, bytes], Spec] = {}

    def parse(self, raw: Mapping[str, Any]) -> RunSpec:
        """Read a run of any task from nested keys.

        Raises:
            SpecError: as :meth:`RunSpec.parse`.
        """
        raw = with_preset(raw)
        keys = {name: (name, content) for name in self.NAMES if (content := _content(raw.get(name)))}
        known = {name: self._parsed[key] for name, key in keys.items() if key in self._parsed}
        spec = RunSpec.parse({**raw, **known})
        for name in keys.keys() - known.keys():
            self._parsed[keys[name]] = getattr(spec, name)
        return spec


def _content(section: Any) -> bytes | None:
    """Return bytes that are equal for sections of equal content; None for what is no section of plain values."""
    try:
        return marshal.dumps(section, 2) if type(section) is dict else None
    except ValueError:
        return None


def _faults_between_others(model: type[RunSpec], nested: Mapping[str, Any], error: SpecError) -> tuple[Fault, ...]:
    """Return the faults that appear once the sections named in ``error`` have their defaults, if they have any."""
    faulty = {fault.path.partition(".")[0] for fault in error.faults}
    if faulty & {"spec", "task", "weights", "backbone", "scan", "position", "data"}:
        return ()
    try:
        read(model, {key: value for key, value in nested.items() if key not in faulty})
    except SpecError as other:
        return other.faults
    return ()


def _named(weights: str | None) -> tuple[str, ...]:
    """Return the id of the run that ``run:ID`` names."""
    return (weights.removeprefix(TRAINED),) if weights is not None and weights.startswith(TRAINED) else ()


def spec_id(resolved: Mapping[str, Any]) -> str:
    """Return the identity of a resolved spec given as JSON values."""
    return short_sha256(canonical_json(identity(TASKS.get(resolved.get("task", ""), RunSpec), resolved)))
