"""The base of every part of a spec, and how a key is added without moving an identity.

A spec is identified by the hash of its JSON. A model may get a new key, in four steps:

1. Declare it with :func:`later_key`, whose default is the value of the former behaviour.
2. Describe it in the class's docstring; the reference is written from there.
3. Read it where it acts. At its default, every computation must be as before.
4. Run ``tests/spec``: recorded ids and hashes must not move.

At its default such a key is absent from the JSON, so specs and protocols recorded before it existed keep their ids and
hashes; at any other value it is part of them. A key that only sets how a run is computed or logged, and never changes a
bit of its result, is declared with ``identity=False`` and is left out of the hash at every value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic.config import JsonDict
from pydantic_core import core_schema

Position = Literal["none", "sincos", "learned", "per-layer"]
Above = Annotated[float, Field(gt=0.0)]
Positive = Annotated[int, Field(gt=0)]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]

NOT_IDENTITY: JsonDict = {"identity": False}
"""The mark of a field that sets how a run is computed or logged and never changes a bit of its result."""

LATER: JsonDict = {"later": True}
"""The mark of a field that is absent from the JSON at its default; see :func:`later_key`."""


def later_key(former: Any, *, identity: bool = True, **constraints: Any) -> Any:
    """Declare a field that was added to a model after its specs or protocols were recorded.

    Args:
        former: the default, which means the behaviour of the model before it had the field.
        identity: whether other values change the result and so belong to the identity.
        constraints: as of :func:`pydantic.Field`.
    """
    return Field(default=former, json_schema_extra={**LATER, **({} if identity else NOT_IDENTITY)}, **constraints)


def is_marked(model: type[BaseModel], name: str, mark: JsonDict) -> bool:
    """Return whether a model's field carries a mark."""
    extra = model.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and mark.items() <= extra.items()


@dataclass(frozen=True)
class OneOf:
    """A type's restriction to the names of a table: ``Annotated[str, OneOf(SOLVERS)]``."""

    names: Iterable[str]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.literal_schema(list(self.names))


class Spec(BaseModel):
    """A frozen, strict part of a spec: unknown keys are faults, numbers are finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, protected_namespaces=()
    )

    @model_serializer(mode="wrap")
    def _without_later_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = handler(self)
        for name, former in _later_keys(type(self)):
            if getattr(self, name) == former:
                body.pop(name, None)
        return body

    @cached_property
    def identity_json(self) -> str:
        """Canonical JSON of what counts in the identity of a run; made once for a part that many runs share."""
        return canonical_json(identity(type(self), self.model_dump(mode="json", exclude_none=True)))


@cache
def _later_keys(model: type[BaseModel]) -> tuple[tuple[str, Any], ...]:
    """Return the fields marked :data:`LATER`, each with its default."""
    return tuple(
        (name, field.get_default()) for name, field in model.model_fields.items() if is_marked(model, name, LATER)
    )


def identity(model: type[BaseModel], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON values of a model without the fields that it marks as :data:`NOT_IDENTITY`."""
    marked, parts = _marks(model)
    counted = {name: value for name, value in resolved.items() if name not in marked}
    for name, part in parts.items():
        if isinstance(counted.get(name), Mapping):
            counted[name] = identity(part, counted[name])
    return counted


@cache
def _marks(model: type[BaseModel]) -> tuple[frozenset[str], dict[str, type[BaseModel]]]:
    """Return a model's marked fields, and its parts that have marked fields somewhere below."""
    marked, parts = set(), {}
    for name, field in model.model_fields.items():
        part = field.annotation
        if is_marked(model, name, NOT_IDENTITY):
            marked.add(name)
        elif isinstance(part, type) and issubclass(part, BaseModel) and any(_marks(part)):
            parts[name] = part
    return frozenset(marked), parts


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return _ENCODER.encode(value)
