"""Settings as users write them: dotted keys, and assignments such as ``training.steps=100``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zigbench.spec.errors import Fault, SpecError


def nest(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys as nested ones, in order: a later key overrides an earlier one."""
    return merge({}, raw)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested keys as dotted ones, each after ``prefix``: the inverse of :func:`nest`."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


BELONGING: Mapping[str, tuple[str, ...]] = {"backbone": ("scan", "position")}
"""Parts of a spec that belong to a plug-in and are dropped when another plug-in replaces it."""


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes``: a dotted key changes one value, a plain key replaces the whole section.

    Changing a plug-in's name (``backbone.name``) drops the config of the old plug-in, and the parts of the spec that
    belong to it: the new one does not know them.

    Args:
        base: nested keys. The result shares the sections that do not change.
        changes: nested or dotted keys.
    """
    result = dict(base)
    for path, value in changes.items():
        if "." not in path and path != "name":
            result[path] = _copy(value)
            continue
        *parents, last = path.split(".")
        node = result
        for parent in parents:
            section = node.get(parent)
            node[parent] = dict(section) if isinstance(section, Mapping) else {}
            node = node[parent]
        if last == "name" and node.get("name", value) != value:
            node.pop("config", None)
            for part in BELONGING.get(".".join(parents), ()):
                result.pop(part, None)
        node[last] = _copy(value)
    return result


def _copy(value: Any) -> Any:
    # An exact dict is the usual case, and much faster recognised than a mapping.
    if type(value) is dict or isinstance(value, Mapping):
        return nest(value)
    return value


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read ``a.b=c`` as ("a.b", c), c as JSON where it is JSON and as text otherwise.

    Raises:
        SpecError: there is no ``=`` or no key.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise SpecError([Fault(text, "", "is not an assignment", "write key.path=value, such as training.steps=100")])
    try:
        return path.strip(), json.loads(value)
    except json.JSONDecodeError:
        return path.strip(), value
