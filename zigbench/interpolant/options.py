"""Lookup of a member by name, with a helpful error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from zigbench.spec.registry import nearest

T = TypeVar("T")


def unknown(kind: str, name: object, allowed: Iterable[str]) -> ValueError:
    """Return the error for an unknown name: the given name, the nearest one, and the allowed ones."""
    allowed = list(allowed)
    near = nearest(str(name), allowed)
    hint = f"did you mean {near!r}? " if near else ""
    return ValueError(f"unknown {kind} {name!r}; {hint}allowed: {', '.join(allowed) or 'none'}")


def choose(kind: str, name: str, members: Mapping[str, T]) -> T:
    """Return the member called ``name``.

    Raises:
        ValueError: no such member; the message lists them.
    """
    if name not in members:
        raise unknown(kind, name, members)
    return members[name]


def positive(**values: float) -> None:
    """Check that every value is above zero.

    Raises:
        ValueError: names the one that is not.
    """
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be above 0")


def take(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Remove from ``options`` those called ``names`` and return them, leaving out the ones that are None."""
    taken = {name: options.pop(name) for name in names if name in options}
    return {name: value for name, value in taken.items() if value is not None}
