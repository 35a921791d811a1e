"""Models in words: the type, the default and the meaning of each of their keys, and tables of them in Markdown.

A key's meaning is the entry of its class's docstring, so what the code says of itself is the reference.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

NONE = "–"
"""Text of an empty cell."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a column of figures, whose heading ends in ``:``, is right-aligned."""
    heads = [column.removesuffix(":") for column in columns]
    rules = ["---:" if column.endswith(":") else "---" for column in columns]
    lines = [heads, rules, *([_cell(text) for text in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or NONE


def code(value: object) -> str:
    """Return a value as inline code."""
    return f"`{value}`"


def markdown(text: str) -> str:
    """Return a docstring's few marks as Markdown: roles and double backticks become code, ``::`` a colon."""
    text = re.sub(r":\w+:`~?([\w.]+)`", lambda match: code(match[1].rpartition(".")[2]), text)
    return re.sub(r"``(.+?)``", r"`\1`", text).replace("::\n", ":\n")


def summary(thing: object) -> str:
    """Return the paragraphs of a docstring before its first section, as Markdown."""
    text = re.split(r"\n\s*(?:Args|Attributes|Returns|Raises):\n", inspect.getdoc(thing) or "")[0]
    return markdown(text.strip())


def meanings(model: type) -> dict[str, str]:
    """Return the meaning of each field from the docstrings of a class and its bases; the class's own come first."""
    entries: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        entries |= _entries(inspect.cleandoc(owner.__dict__.get("__doc__") or ""))
    return entries


def _entries(text: str) -> dict[str, str]:
    """Return the entries of a docstring's section of arguments or attributes, by name."""
    section = re.search(r"(?:^|\n)(?:Args|Attributes):\n((?:    .*\n?|\n)+)", text)
    entries: dict[str, str] = {}
    for item in re.split(r"\n(?=    \S)", section[1].rstrip("\n")) if section else ():
        names, _, meaning = item.strip().partition(": ")
        entries |= {name.strip(): markdown(" ".join(meaning.split())) for name in names.split(",")}
    return entries


def type_of(field: FieldInfo) -> str:
    """Return the values that a field takes, in words: ``integer ≥ 1``, `` `a`, `b` ``, ``number in (0, 1]``."""
    annotation: Any = field.annotation
    if field.metadata:
        annotation = Annotated[(annotation, *field.metadata)]
    return _kind(TypeAdapter(annotation).json_schema())


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        return ", ".join(code(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"({', '.join(_kind(part) for part in schema['prefixItems'])})"
        case "array":
            return f"list of {_kind(schema['items'])}"
        case "object":
            return "table"
        case "string":
            return "text"
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "none"
    return f"{schema['type']}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    whole = schema["type"] == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if whole and above is not None:
        low, above = above + 1, None
    if (low is None and above is None) or (high is None and below is None):
        edges = (("≥", low), (">", above), ("≤", high), ("<", below))
        return "".join(f" {sign} {_number(edge)}" for sign, edge in edges if edge is not None)
    start = f"({_number(above)}" if low is None else f"[{_number(low)}"
    end = f"{_number(below)})" if high is None else f"{_number(high)}]"
    return f" in {start}, {end}"


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else str(value)


def default_of(field: FieldInfo) -> str:
    """Return a field's default as it is written in a spec; ``required`` where there is none."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else code(json.dumps(value, ensure_ascii=False))


def is_part(annotation: Any) -> bool:
    """Return True for the annotation of a field that is itself a model."""
    options = (annotation, *getattr(annotation, "__args__", ()))
    return any(isinstance(option, type) and issubclass(option, BaseModel) for option in options)
