"""The reader of models: every fault at once, each with its dotted path, its value and what is allowed."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zigbench.spec.errors import Fault, SpecError
from zigbench.spec.registry import nearest

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], raw: Mapping[str, Any], at: str = "") -> M:
    """Read ``raw`` as a ``model``.

    Args:
        model: a spec, a part of one, or a plug-in's config.
        raw: its nested keys.
        at: dotted path of the part in the spec, for the faults' own paths.

    Raises:
        SpecError: lists every fault with its path, its value and what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = [fault for detail in error.errors() for fault in _faults(detail, model)]
        paths = [".".join(filter(None, (at, fault.path))) or "spec" for fault in faults]
        raise SpecError(replace(fault, path=path) for fault, path in zip(faults, paths, strict=True)) from None


def _faults(detail: ErrorDetails, root: type[BaseModel]) -> tuple[Fault, ...]:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return cause.faults
    *parents, key = [str(part) for part in detail["loc"]] or [""]
    given = "" if detail["type"] == "missing" else reprlib.repr(detail["input"])
    problem, hint = detail["msg"].removeprefix("Value error, "), ""
    if detail["type"] == "extra_forbidden":
        owner = _owner(parents, root)
        known = sorted(owner.model_fields) if owner else []
        problem, hint = "unknown key", f"{_suggestion(key, known)}allowed: {', '.join(known) or 'none'}"
    elif detail["type"] == "missing":
        problem = "is required"
    elif detail["type"] == "literal_error":
        hint = _suggestion(str(detail["input"]), re.findall("'([^']*)'", detail["ctx"]["expected"])).strip()
    return (Fault(".".join((*parents, key)), given, problem, hint),)


def _suggestion(word: str, known: list[str]) -> str:
    near = nearest(word, known)
    return f"did you mean {near!r}? " if near else ""


def _owner(loc: list[str], root: type[BaseModel]) -> type[BaseModel] | None:
    """Return the model class that owns the keys at ``loc``."""
    owner, in_table = root, False
    for part in loc:
        if in_table:  # A name that the user chose, in a table of models.
            in_table = False
            continue
        annotation = owner.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return None
        owner, in_table = models[0], get_origin(annotation) is dict
    return owner
