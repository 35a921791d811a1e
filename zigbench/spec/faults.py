"""What is wrong with a spec, in the words of who wrote it: dotted path, value, what is allowed."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zigbench.spec.overrides import Fault, SpecError
from zigbench.spec.plugins import LIFTED, Component
from zigbench.spec.registry import nearest

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], raw: Mapping[str, Any], at: str = "") -> M:
    """``raw`` as a ``model``.

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
        found = [fault for detail in error.errors() for fault in _faults(detail, raw, model)]
        paths = [".".join(filter(None, (at, fault.path))) or "spec" for fault in found]
        raise SpecError(replace(fault, path=path) for fault, path in zip(found, paths, strict=True)) from None


def _faults(detail: ErrorDetails, raw: Mapping[str, Any], root: type[BaseModel]) -> tuple[Fault, ...]:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return cause.faults
    loc = [str(part) for part in detail["loc"]]
    path = ".".join(loc)
    given = "" if detail["type"] == "missing" else reprlib.repr(detail["input"])
    problem = detail["msg"].removeprefix("Value error, ")
    hint = ""
    if detail["type"] == "extra_forbidden":
        owner = _owner(loc[:-1], raw, root)
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
    elif detail["type"] == "literal_error":
        near = nearest(str(detail["input"]), re.findall("'([^']*)'", detail["ctx"]["expected"]))
        hint = f"did you mean {near!r}?" if near else ""
    return (Fault(path, given, problem, hint),)


def _owner(loc: list[str], raw: Mapping[str, Any], root: type[BaseModel]) -> type[BaseModel] | None:
    """The model class that owns the key at ``loc``."""
    owner, named = root, False
    for depth, part in enumerate(loc):
        if named:  # A name that the user chose, in a table of models.
            named = False
            continue
        if part == "config":
            node: Any = raw
            for parent in loc[:depth]:
                node = node[parent]
            return cast(type[BaseModel], cast(type[Component], owner)._registry.get(node["name"]))
        annotation = owner.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return None
        owner, named = models[0], get_origin(annotation) is dict
    return owner
