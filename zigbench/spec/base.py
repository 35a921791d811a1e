"""What every part of a spec is made of."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

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


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
