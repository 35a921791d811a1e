"""What a run is: typed, frozen, fully resolved, with an identity.

A :class:`RunSpec` never exists half-resolved: parsing looks up the backbone's and the data set's own typed
configs (without importing torch), fills every default and checks the parts against each other. Its ``id`` is
the hash of that resolved form: two specs that mean the same run have the same id however they were written.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails

from zigbench import registry
from zigbench.registry import nearest
from zigbench.settings import Fault, SpecError, merge, nest

# Words of a backbone's config that a spec states once, at its top: `scan.curve`, `scan.schemes`, `position`.
LIFTED = {"curve": "scan.curve", "schemes": "scan.schemes", "position": "position"}

Position = Literal["none", "sincos", "learned", "per-layer"]
Positive = Annotated[int, Field(gt=0)]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]

NOT_IDENTITY: JsonDict = {"identity": False}
"""Marks a field that says how a run is computed or watched and never changes a bit of its result."""


class Spec(BaseModel):
    """A frozen, strict part of a spec: unknown keys are faults, numbers are finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, protected_namespaces=()
    )


@dataclass(frozen=True)
class Geometry:
    """Shape of what a backbone maps: images (channels, height, width) or clips of ``frames`` such images.

    Args:
        channels: image or latent channels.
        height, width: in pixels (or latent cells).
        patch: side of a square patch; divides both height and width.
        frames: frames in a clip; None for images.
        classes: number of classes; None when there are no labels.
        context: (tokens, width) of the text embedding; None when there is none.

    Raises:
        ValueError: a side that is not positive or that the patch does not divide.
    """

    channels: int
    height: int
    width: int
    patch: int
    frames: int | None = None
    classes: int | None = None
    context: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width", "patch", "frames", "classes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"geometry: {name} is {value}; it must be at least 1")
        if self.height % self.patch or self.width % self.patch:
            raise ValueError(
                f"patch {self.patch} does not divide {self.height}×{self.width} (height×width); "
                f"patches that do: {', '.join(map(str, self.patches()))}"
            )

    def patches(self) -> list[int]:
        """Patch sides that divide both height and width."""
        return [p for p in range(1, min(self.height, self.width) + 1) if self.height % p == self.width % p == 0]

    @property
    def grid(self) -> tuple[int, int]:
        """Patches (down, across) of one image or frame."""
        return self.height // self.patch, self.width // self.patch

    @property
    def tokens(self) -> int:
        """Patches of one sample, frames included."""
        rows, columns = self.grid
        return (self.frames or 1) * rows * columns

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(C, H, W), or (T, C, H, W) for clips."""
        image = (self.channels, self.height, self.width)
        return image if self.frames is None else (self.frames, *image)


class BackboneConfig(Spec):
    """Base of every backbone's typed config; the entry point of a backbone is its config class.

    A subclass names its network as ``network = "package.module:Class"``; the class is imported and called as
    ``Class(config, geometry)`` only when a network is built, so planning never imports torch.
    """

    network: ClassVar[str]
    drop_path: Unit = 0.0
    label_dropout: Unit = 0.1
    learned_sigma: bool = False

    def faults(self, geometry: Geometry) -> Iterator[str]:
        """What makes this config impossible on ``geometry``, in words; nothing when it is fine."""
        return iter(())

    def parameters(self, geometry: Geometry) -> int | None:
        """Parameters of the network on ``geometry``, frozen ones included; None for a family that does not say."""
        return None


class DataConfig(Spec):
    """Base of every data set's typed config; the entry point of a data set is its config class.

    ``loader = "package.module:Class"`` names the torch side, called as ``Class(config)`` to load the data.
    """

    loader: ClassVar[str]

    def geometry(self, patch: int) -> Geometry:
        """Shape of the data, known without loading them."""
        raise TypeError(f"{type(self).__name__} does not say the shape of its data: override geometry(patch)")


class _Component(Spec):
    """A plug-in by name with its own typed config."""

    _registry: ClassVar[registry.Registry[Any]]
    name: str

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        cls._registry.get(name)
        return name

    @field_validator("config", mode="before", check_fields=False)
    @classmethod
    def _typed(cls, config: Any, info: ValidationInfo) -> Any:
        if "name" not in info.data:
            # The unknown name is the fault to report; its config can't be judged.
            return cls.model_fields["config"].annotation()  # type: ignore[misc]
        plugin = cls._registry.get(info.data["name"])
        if isinstance(config, plugin):
            return config
        return plugin.model_validate({} if config is None else config)


class BackboneSpec(_Component):
    """The network: a registered family, the side of its patches, and the family's own config."""

    _registry = registry.backbones
    config: SerializeAsAny[BackboneConfig] = Field(default=cast(BackboneConfig, None), validate_default=True)
    patch: Positive = 1

    @field_serializer("config", mode="wrap")
    def _without_lifted(self, config: Spec, handler: Any) -> Any:
        return {key: value for key, value in handler(config).items() if key not in LIFTED}


class ScanSpec(Spec):
    """Order in which the patches are visited: layer i uses variant i % schemes of the curve."""

    curve: str = "zigzag"
    schemes: Positive = 8

    @field_validator("curve")
    @classmethod
    def _known(cls, name: str) -> str:
        registry.curves.get(name.partition("[")[0])
        return name

    @property
    def label(self) -> str:
        """``curve-n``, as in the published tables."""
        return f"{self.curve}-{self.schemes}"


class InterpolantSpec(Spec):
    """Path between noise (t = 0) and data (t = 1), and what the network predicts along it."""

    path: Literal["linear", "gvp", "vp", "ve", "sub-vp", "cosine", "polynomial", "linear-vp"] = "linear"
    prediction: Literal["velocity", "score", "noise", "data"] = "velocity"
    weighting: Literal["none", "velocity", "likelihood"] = "none"
    time: Literal["uniform", "logit-normal", "mode", "edm", "grid"] = "uniform"
    coupling: Literal["independent", "optimal-transport"] = "independent"


class SamplerSpec(Spec):
    """How samples are drawn: solver, steps, guidance."""

    solver: Literal[
        "euler", "heun", "midpoint", "rk4", "dopri5", "ddim",
        "dpm-solver-1", "dpm-solver-2", "dpm-solver++-1", "dpm-solver++-2",
        "euler-maruyama", "stochastic-heun", "ddpm",
    ] = "euler"  # fmt: skip
    steps: Positive = 50
    guidance: Annotated[float, Field(ge=0.0)] = 1.0


class DataSpec(_Component):
    """The data set: a registered name and its own config."""

    _registry = registry.data
    config: SerializeAsAny[DataConfig] = Field(default=cast(DataConfig, None), validate_default=True)


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
        sinks: where the log goes beside ``log.jsonl``.
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
        reference: images the samples are compared with: a split of the data, or the path of a file of statistics.
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
        if reference not in ("train", "held-out") and not reference.endswith(".npz"):
            raise ValueError("a reference is train, held-out, or the path of a file of statistics that ends in .npz")
        return reference

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            registry.metrics.get(name)
        return names


class RunSpec(Spec):
    """One run, fully resolved. Build it with :meth:`parse`, which reports every fault at once."""

    task: Literal["train"] = "train"
    backbone: BackboneSpec
    scan: ScanSpec | None = None
    position: Position | None = None
    interpolant: InterpolantSpec = InterpolantSpec()
    sampler: SamplerSpec = SamplerSpec()
    data: DataSpec
    optimizer: OptimizerSpec = OptimizerSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
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
        try:
            geometry = self.geometry
        except ValueError as error:
            faults.append(Fault("backbone.patch", str(self.backbone.patch), str(error)))
        else:
            faults.extend(Fault("backbone.config", "", problem) for problem in config.faults(geometry))
            for name in self.evaluation.metrics:
                problems = registry.metrics.get(name).faults(geometry)
                faults.extend(Fault("evaluation.metrics", repr(name), problem) for problem in problems)
        if faults:
            raise SpecError(faults)
        return self

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> RunSpec:
        """Read a spec from nested or dotted keys.

        Raises:
            SpecError: lists every fault with its path, its value and what is allowed.
        """
        nested = nest(raw)
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise SpecError(fault for detail in error.errors() for fault in _faults(detail, nested)) from None

    def override(self, changes: Mapping[str, Any]) -> RunSpec:
        """A copy with dotted keys changed, parsed anew.

        Raises:
            SpecError: as :meth:`parse`.
        """
        return RunSpec.parse(merge(self.resolved(), changes))

    def resolved(self) -> dict[str, Any]:
        """The whole spec as JSON values, defaults included; what has no meaning for this run is absent."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the resolved spec as sorted JSON.

        Fields marked :data:`NOT_IDENTITY` are left out.
        """
        return spec_id(self.resolved())

    @property
    def geometry(self) -> Geometry:
        """Shape of the data in this run's patches."""
        return self.data.config.geometry(self.backbone.patch)


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
    """

    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Positive = 1
    memory_gb: Annotated[float, Field(gt=0)] = 4.0
    hours: Annotated[float, Field(gt=0)] = 1.0
    partition: str | None = None
    nodes: Positive = 1
    tasks: Positive | None = None

    @property
    def processes(self) -> int:
        """Processes a node."""
        return self.tasks or max(1, self.gpus)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def spec_id(resolved: Mapping[str, Any]) -> str:
    """Identity of a resolved spec given as JSON values."""
    return hashlib.sha256(canonical_json(_identity(RunSpec, resolved)).encode()).hexdigest()[:16]


def _identity(model: type[BaseModel], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """``resolved`` without what the model marks as :data:`NOT_IDENTITY`."""
    kept = dict(resolved)
    for name, field in model.model_fields.items():
        part = field.annotation
        if isinstance(field.json_schema_extra, dict) and not field.json_schema_extra.get("identity", True):
            kept.pop(name, None)
        elif isinstance(part, type) and issubclass(part, BaseModel) and isinstance(kept.get(name), Mapping):
            kept[name] = _identity(part, kept[name])
    return kept


def _faults(detail: ErrorDetails, raw: Mapping[str, Any]) -> tuple[Fault, ...]:
    """A pydantic error in the words of a spec: dotted path, value, what is allowed."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return cause.faults
    loc = [str(part) for part in detail["loc"]]
    path = ".".join(loc)
    given = "" if detail["type"] == "missing" else reprlib.repr(detail["input"])
    problem = detail["msg"].removeprefix("Value error, ")
    hint = ""
    if detail["type"] == "extra_forbidden":
        owner = _owner(loc[:-1], raw)
        lifted = LIFTED.get(loc[-1]) if loc[:-1] == ["backbone", "config"] else None
        if lifted:
            name = raw["backbone"].get("name")
            return (
                Fault(
                    lifted,
                    given,
                    f"has no meaning for the backbone {name!r}, which takes none",
                    "leave it out",
                ),
            )
        known = sorted(owner.model_fields) if owner else []
        if loc[:-1] == ["backbone", "config"]:
            known = [key for key in known if key not in LIFTED]
        near = nearest(loc[-1], known)
        problem = "unknown key"
        hint = (f"did you mean {near!r}? " if near else "") + f"allowed: {', '.join(known) or 'none'}"
    elif loc[:2] == ["backbone", "config"] and loc[-1] in LIFTED:
        path = LIFTED[loc[-1]]
    elif detail["type"] == "missing":
        problem = "is required"
    return (Fault(path or "spec", given, problem, hint),)


def _owner(loc: list[str], raw: Mapping[str, Any]) -> type[BaseModel] | None:
    """The model class that owns the key at ``loc``."""
    owner: type[BaseModel] = RunSpec
    for depth, part in enumerate(loc):
        if part == "config":
            node: Any = raw
            for parent in loc[:depth]:
                node = node[parent]
            return cast(type[BaseModel], cast(type[_Component], owner)._registry.get(node["name"]))
        annotation = owner.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return None
        owner = models[0]
    return owner
