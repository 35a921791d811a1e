"""A run: its parts put together, checked against each other, with an identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from zigbench.spec import registry
from zigbench.spec.base import NOT_IDENTITY, Position, Spec, canonical_json, is_marked
from zigbench.spec.faults import read
from zigbench.spec.files import short_sha256
from zigbench.spec.geometry import Geometry
from zigbench.spec.overrides import Fault, SpecError, merge, nest
from zigbench.spec.plugins import LIFTED, BackboneSpec, DataSpec
from zigbench.spec.sections import (
    EfficiencySpec,
    EvaluationSpec,
    InterpolantSpec,
    OptimizerSpec,
    SamplerSpec,
    ScanSpec,
    TrainingSpec,
)


class RunSpec(Spec):
    """One run, fully resolved. Build it with :meth:`parse`, which reports every fault at once.

    Args:
        task: train a network and measure it, measure given weights, or time a network as it is initialised.
        weights: SHA-256 of the weights that an evaluation measures.
        position: position embedding; None where the backbone takes none, or for the backbone's own default.
        efficiency: what is timed and how; there for the task 'efficiency' alone.
        seed: what every random number of the run is derived from.
    """

    task: Literal["train", "evaluate", "efficiency"] = "train"
    weights: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    backbone: BackboneSpec
    scan: ScanSpec | None = None
    position: Position | None = None
    interpolant: InterpolantSpec = InterpolantSpec()
    sampler: SamplerSpec = SamplerSpec()
    data: DataSpec
    optimizer: OptimizerSpec = OptimizerSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    efficiency: EfficiencySpec | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="before")
    @classmethod
    def _lower_scan(cls, raw: Any) -> Any:
        """Hand `scan` and `position` to the backbone's config, which is complete in memory."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("backbone"), Mapping):
            return raw
        raw = dict(raw)
        backbone = dict(raw["backbone"])
        config = backbone.get("config")
        config = dict(config) if isinstance(config, Mapping) else {}
        for key, path in LIFTED.items():
            if key in config:
                raise SpecError([Fault(f"backbone.config.{key}", repr(config[key]), f"is stated as {path}")])
        scan = raw.get("scan")
        if isinstance(scan, Mapping):
            config |= {key: scan[key] for key in ("curve", "schemes") if key in scan}
        if raw.get("position") is not None:
            config["position"] = raw["position"]
        raw["backbone"] = {**backbone, "config": config}
        return raw

    @model_validator(mode="after")
    def _raise_scan(self) -> Self:
        """Show at the top what the backbone's config resolved to, and check the parts against each other."""
        config = self.backbone.config
        if "curve" in type(config).model_fields:
            scan = ScanSpec(curve=config.curve, schemes=config.schemes)  # type: ignore[attr-defined]
            object.__setattr__(self, "scan", scan)
        object.__setattr__(self, "position", getattr(config, "position", None))
        faults: list[Fault] = []
        if (self.task == "evaluate") != (self.weights is not None):
            faults.append(Fault("weights", repr(self.weights), "belongs to the task 'evaluate', and to no other"))
        if self.task == "efficiency" and self.efficiency is None:
            object.__setattr__(self, "efficiency", EfficiencySpec())
        elif self.task != "efficiency" and self.efficiency is not None:
            faults.append(Fault("efficiency", "", "belongs to the task 'efficiency', and to no other"))
        try:
            geometry = self.geometry
        except ValueError as error:
            faults.append(Fault("backbone.patch", str(self.backbone.patch), str(error)))
        else:
            faults.extend(Fault("backbone.config", "", problem) for problem in config.faults(geometry))
            for name in self.evaluation.metrics:
                problems = registry.metrics.get(name).faults(geometry)
                faults.extend(Fault("evaluation.metrics", repr(name), problem) for problem in problems)
            faults.extend(self._faults_of_guidance(geometry))
        if faults:
            raise SpecError(faults)
        return self

    def _faults_of_guidance(self, geometry: Geometry) -> Iterator[Fault]:
        scale, channels = self.sampler.guidance, self.sampler.guidance_channels
        if scale != 1 and geometry.classes is None and geometry.context is None:
            problem = "the data have neither classes nor text, so there is nothing to follow"
            yield Fault("sampler.guidance", str(scale), problem, "leave it at 1")
        elif scale != 1 and geometry.classes is not None and self.backbone.config.label_dropout == 0:
            problem = "backbone.config.label_dropout is 0, so the network knows no image without its label"
            yield Fault("sampler.guidance", str(scale), problem, "leave it at 1, or let labels be dropped")
        if channels is not None and channels > geometry.channels:
            yield Fault("sampler.guidance_channels", str(channels), f"the data's channels are {geometry.channels}")

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> RunSpec:
        """Read a spec from nested or dotted keys.

        Raises:
            SpecError: lists every fault with its path, its value and what is allowed.
        """
        nested = nest(raw)
        try:
            return read(cls, nested)
        except SpecError as error:
            raise SpecError([*error.faults, *cls._faults_between_others(nested, error)]) from None

    @classmethod
    def _faults_between_others(cls, nested: Mapping[str, Any], error: SpecError) -> tuple[Fault, ...]:
        """Faults that show once the sections named in ``error`` are left out, where defaults can stand in for them."""
        faulty = {fault.path.partition(".")[0] for fault in error.faults}
        if faulty & {"spec", "task", "weights", "backbone", "scan", "position", "data"}:
            return ()
        try:
            read(cls, {key: value for key, value in nested.items() if key not in faulty})
        except SpecError as other:
            return other.faults
        return ()

    def override(self, changes: Mapping[str, Any]) -> RunSpec:
        """A copy with dotted keys changed, parsed anew.

        Raises:
            SpecError: as :meth:`parse`.
        """
        return RunSpec.parse(merge(self.resolved(), changes))

    def resolved(self) -> dict[str, Any]:
        """The whole spec as JSON values, defaults included; what has no meaning for this run is absent."""
        return self.model_dump(mode="json", exclude_none=True)

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the resolved spec as sorted JSON.

        Fields marked :data:`NOT_IDENTITY` are left out.
        """
        return _hash(type(self), self.resolved())

    @property
    def geometry(self) -> Geometry:
        """Shape of the data in this run's patches."""
        return self.data.config.geometry(self.backbone.patch)


def spec_id(resolved: Mapping[str, Any]) -> str:
    """Identity of a resolved spec given as JSON values."""
    return _hash(RunSpec, resolved)


def _hash(model: type[RunSpec], resolved: Mapping[str, Any]) -> str:
    return short_sha256(canonical_json(_identity(model, resolved)))


def _identity(model: type[BaseModel], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """``resolved`` without what the model marks as :data:`NOT_IDENTITY`."""
    marked, parts = _marks(model)
    kept = {name: value for name, value in resolved.items() if name not in marked}
    for name, part in parts.items():
        if isinstance(kept.get(name), Mapping):
            kept[name] = _identity(part, kept[name])
    return kept


@cache
def _marks(model: type[BaseModel]) -> tuple[frozenset[str], dict[str, type[BaseModel]]]:
    """A model's fields that are marked, and its parts that have marks of their own somewhere below."""
    marked, parts = set(), {}
    for name, field in model.model_fields.items():
        part = field.annotation
        if is_marked(model, name, NOT_IDENTITY):
            marked.add(name)
        elif isinstance(part, type) and issubclass(part, BaseModel) and any(_marks(part)):
            parts[name] = part
    return frozenset(marked), parts
