"""Curves by name: the type of a curve, the decorator that adds one, and names with parameters.

A curve is a function from a grid to an order. In two dimensions it takes (h, w), in three (t, h, w), and returns
the L row-major token indices in the order of the visit; the eight symmetries are applied around it. Three keyword
arguments are understood:

- ``rng``: the curve draws from this numpy generator, a function of the seed and the variant;
- ``variant``: the curve builds each variant itself, on the true grid, and no symmetry is applied;
- any other: a parameter, written after the name in brackets: ``blocked[inner=hilbert,size=8]``.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zigbench.scan import symmetries
from zigbench.scan.order import Grid, IntArray, grid_text, inverse_permutation
from zigbench.spec import registry

Rule = Callable[..., npt.ArrayLike]
Value = str | int | float | bool


@dataclass(frozen=True, eq=False)
class Curve:
    """A rule from a grid to an order, with its claim and its parameters. Callable as the rule.

    Attributes:
        rule: the function (h, w) or (t, h, w) → L row-major indices.
        dimensions: 2 or 3.
        space_filling: claims to be at least as continuous as sweep on every grid; make_order warns when it is not.
        seeded: takes ``rng``.
        own_variants: takes ``variant``.
        parameters: name → default, in the order of the signature; a default of ``...`` marks a required one.
        cached: orders may be cached; False for a rule that reads something that can change.
    """

    rule: Rule
    dimensions: int
    space_filling: bool
    seeded: bool
    own_variants: bool
    parameters: Mapping[str, Any]
    cached: bool

    def __call__(self, *grid: int, **arguments: Any) -> npt.ArrayLike:
        return self.rule(*grid, **arguments)

    def canonical(self, text: str) -> str:
        """Return the one spelling of ``text``, a name of this curve with or without parameters; see :func:`lookup`."""
        return lookup(text, self.dimensions)[1]

    def build(self, name: str, grid: Grid, variant: int, seed: int, arguments: Mapping[str, Value]) -> IntArray:
        """Return variant ``variant`` on ``grid``, shape (L,); ``name`` is for messages.

        Raises:
            ValueError: the rule returns no permutation; the first offending step is named. (A rule that builds its
                own variants is checked by ScanOrder.)
        """
        extra: dict[str, Any] = dict(arguments)
        if self.seeded:
            extra["rng"] = np.random.default_rng([seed, variant])
        if self.own_variants:
            return np.asarray(self.rule(*grid, variant=variant, **extra))
        base = symmetries.base_grid(grid, variant)
        # Checked before it is mirrored, so that a message has the indices of the rule.
        built = f"curve {name!r} built on {grid_text(base)}"
        order, _ = inverse_permutation(self.rule(*base, **extra), math.prod(base), built)
        return symmetries.apply(order, grid, variant)


def curve(name: str, *, space_filling: bool = False, cached: bool = True) -> Callable[[Rule], Curve]:
    """Return a decorator that registers a function as a scan curve under ``name``.

    >>> @curve("columns")
    ... def columns(h: int, w: int):
    ...     return np.arange(h * w).reshape(h, w).T.reshape(-1)

    Args:
        name: its name in suites and on the command line: letters, digits, hyphens.
        space_filling: claim that the curve is at least as continuous as sweep; checked on every grid.
        cached: cache orders; False for a rule that reads something that can change.

    Raises:
        ValueError: the name is taken or malformed, or the function's signature is not a curve's.
    """

    def add(rule: Rule) -> Curve:
        result = from_function(rule, space_filling=space_filling, cached=cached)
        check_name(name)
        home = registry.curves if result.dimensions == 2 else registry.volumes
        home.register(name)(result)
        return result

    return add


def check_name(name: str) -> None:
    """Raise ValueError for a name other than letters, digits and inner hyphens, or one that ends in a number.

    Raises:
        ValueError: names what is expected.
    """
    parts = name.split("-")
    if not all(part.isalnum() for part in parts):
        raise ValueError(f"curve name {name!r}: expected letters, digits and hyphens between them")
    if parts[-1].isdigit() and len(parts) > 1:
        raise ValueError(f"curve name {name!r} ends in a number, which a label such as zigzag-8 reads as schemes")


def from_function(rule: Rule, *, space_filling: bool = False, cached: bool = True) -> Curve:
    """Return the Curve of a plain function, its dimensions and parameters read from the signature.

    Raises:
        ValueError: it does not take (h, w) or (t, h, w), or takes ``*args`` or ``**kwargs``.
    """
    kinds = inspect.Parameter
    sides, keywords = 0, {}
    for parameter in inspect.signature(rule).parameters.values():
        if parameter.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD):
            raise ValueError(f"curve {rule!r}: *args and **kwargs are not read; name the parameters")
        if parameter.kind is kinds.KEYWORD_ONLY:
            keywords[parameter.name] = ... if parameter.default is kinds.empty else parameter.default
        else:
            sides += 1
    if sides not in (2, 3):
        raise ValueError(
            f"curve {rule!r} takes {sides} positional arguments; expected (h, w) or (t, h, w), parameters after *"
        )
    seeded, own_variants = "rng" in keywords, "variant" in keywords
    curve = Curve(
        rule=rule,
        dimensions=sides,
        space_filling=space_filling,
        seeded=seeded,
        own_variants=own_variants,
        parameters={k: v for k, v in keywords.items() if k not in ("rng", "variant")},
        cached=cached,
    )
    # Attributes of the function: the registry names the origins of two curves of one name.
    for attribute in ("__module__", "__qualname__", "__name__", "__doc__"):
        object.__setattr__(curve, attribute, getattr(rule, attribute, None))
    return curve


def lookup(text: str, dimensions: int) -> tuple[Curve, str, dict[str, Value]]:
    """Return the curve that ``text`` names, its canonical name, and its arguments, defaults included.

    The canonical name lists only what differs from the defaults, in the order of the signature, so that two
    spellings of one curve are one curve.

    Raises:
        ValueError: no such curve in that many dimensions, or a parameter it does not have or can't read.
    """
    name, given = parse(text)
    rule = _find(name, dimensions)
    arguments: dict[str, Value] = {}
    for key, value in given.items():
        if key not in rule.parameters:
            near = registry.nearest(key, list(rule.parameters))
            hint = f"; did you mean {near!r}?" if near else ""
            known = ", ".join(rule.parameters) or "none"
            raise ValueError(f"curve {name!r} has no parameter {key!r}{hint} (parameters: {known})")
        arguments[key] = _read(name, key, value, rule.parameters[key])
    missing = [k for k, default in rule.parameters.items() if default is ... and k not in arguments]
    if missing:
        raise ValueError(f"curve {name!r} needs {missing[0]}: write {name}[{missing[0]}=…]")
    full = {key: arguments.get(key, default) for key, default in rule.parameters.items()}
    changed = [f"{k}={_write(v)}" for k, v in full.items() if v != rule.parameters[k]]
    return rule, f"{name}[{','.join(changed)}]" if changed else name, full


def _find(name: str, dimensions: int) -> Curve:
    images, clips = registry.curves, registry.volumes
    home, other = (images, clips) if dimensions == 2 else (clips, images)
    if not home.holds(name) and other.holds(name):
        if dimensions == 3:
            raise ValueError(
                f"curve {name!r} is for images; for a clip (t, h, w) write product[spatial={name}] "
                f"or one of {', '.join(home.names())}"
            )
        raise ValueError(f"curve {name!r} is for clips (t, h, w); for an image use one of {', '.join(home.names())}")
    curve: Curve = home.get(name)
    if curve.dimensions != dimensions:
        raise ValueError(
            f"curve {name!r} is listed among the {dimensions}D curves but takes {curve.dimensions} sides; "
            "entry points of 2D curves belong in zigbench.curves, those of 3D ones in zigbench.curves_3d"
        )
    return curve


@functools.lru_cache(maxsize=256)
def _as_curve(registered: Curve | Rule) -> Curve:
    # An entry point may name an undecorated function; the same one must give the same Curve, which keys the cache.
    return registered if isinstance(registered, Curve) else from_function(registered)


registry.curves.adapt = registry.volumes.adapt = _as_curve


def parse(text: str) -> tuple[str, dict[str, str]]:
    """Return ``"blocked[inner=hilbert,size=8]"`` as ``("blocked", {"inner": "hilbert", "size": "8"})``.

    Brackets may nest.

    Raises:
        ValueError: unbalanced brackets, or an item that is not key=value.
    """
    name, bracket, rest = text.partition("[")
    if not bracket:
        return text, {}
    if not rest.endswith("]") or text.count("[") != text.count("]"):
        raise ValueError(f"curve {text!r}: unbalanced brackets; write name[key=value,key=value]")
    items, depth, start = [], 0, 0
    body = rest[:-1]
    for position, letter in enumerate(body):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            items.append(body[start:position])
            start = position + 1
    items.append(body[start:])
    arguments = {}
    for item in items:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key or not value:
            raise ValueError(f"curve {text!r}: {item!r} is not key=value")
        arguments[key] = value
    return name, arguments


def _read(name: str, key: str, value: str, default: Any) -> Value:
    truth = {"true": True, "false": False}
    try:
        if isinstance(default, bool):
            return truth[value.lower()]
        return type(default)(value) if isinstance(default, int | float) else value
    except (KeyError, ValueError):
        kind = "true or false" if isinstance(default, bool) else f"a number such as {default}"
        raise ValueError(f"curve {name!r}: {key}={value!r} cannot be read; expected {kind}") from None


def _write(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def names(dimensions: int = 2) -> list[str]:
    """Return the names of all curves of 2 or 3 dimensions, sorted; those of installed packages are not imported.

    Each works without parameters; ``file``, which needs a path, is left out.
    """
    if dimensions not in (2, 3):
        raise ValueError(f"dimensions = {dimensions!r}: expected 2 or 3")
    home = registry.curves if dimensions == 2 else registry.volumes
    return [name for name in home.names() if name != "file"]


def canonical(text: str, dimensions: int = 2) -> str:
    """Return the canonical spelling of a curve's name: defaults left out, parameters in the signature's order."""
    return lookup(text, dimensions)[1]
