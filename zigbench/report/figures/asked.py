"""Figures asked for, and drawn only where that is not what the folder already shows.

A drawing is a function of its arguments and of the code that draws. Both go into a digest that is written beside the
files, with the hashes of the files; a figure whose digest and files are those of the last report is taken from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
import pandas as pd

from zigbench.report.figures.drawing import Drawing, inline_svg, save
from zigbench.spec.files import sha256, write_atomically

P = ParamSpec("P")

KEPT = ".drawn.json"
"""Beside the files of the figures: what each was drawn from, and what a page needs of it."""


class NoFigureError(ValueError):
    """The results do not hold what a figure shows; the message says what is lacking."""


@dataclass(frozen=True)
class Asked:
    """A drawing function and what it is to draw."""

    draw: Callable[..., Drawing]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]

    def drawn(self) -> Drawing:
        """The figure, drawn now."""
        return self.draw(*self.arguments, **self.options)

    def digest(self, note: str = "") -> str:
        """SHA-256 of what is drawn, by which code, under which note."""
        hashed = hashlib.sha256(_code().encode())
        where = f"{self.draw.__module__}:{self.draw.__qualname__}"
        _feed(hashed.update, (where, self.arguments, self.options, note))
        return hashed.hexdigest()


def ask(draw: Callable[P, Drawing], *arguments: P.args, **options: P.kwargs) -> Asked:
    """Ask for ``draw(*arguments, **options)``."""
    return Asked(draw, arguments, options)


@dataclass(frozen=True)
class Picture:
    """What a page needs of a drawing: its words, and its SVG as :func:`inline_svg` makes it."""

    name: str
    title: str
    caption: str
    alternative: str
    svg: str


def pictured(asked: Mapping[str, Asked], folder: Path, note: str = "") -> dict[str, Picture]:
    """The figures of ``asked``, with their files in ``folder``, drawn where these are not there already.

    Args:
        asked: what to draw, by name.
        folder: where the files lie; it exists.
        note: a sentence at the end of each caption, such as how many runs the figures stand on.

    Raises:
        OSError: ``folder`` can't be written.
    """
    kept = _kept(folder)
    now: dict[str, Any] = {}
    for name, figure in asked.items():
        digest = figure.digest(note)
        entry = kept.get(name)
        now[name] = entry if entry and entry["digest"] == digest and _sound(entry, folder) else None
        if now[name] is None:
            drawing = figure.drawn()
            drawing = replace(drawing, caption=f"{drawing.caption} {note}".strip())
            files = {path.name: _hash(path) for path in save(drawing, folder)}
            words = {key: getattr(drawing, key) for key in ("name", "title", "caption", "alternative")}
            now[name] = {"digest": digest, "files": files, "picture": {**words, "svg": inline_svg(drawing)}}
    if now != kept:
        write_atomically(folder / KEPT, json.dumps(now, ensure_ascii=False).encode(), durable=False)
    return {name: Picture(**entry["picture"]) for name, entry in now.items()}


def _kept(folder: Path) -> dict[str, Any]:
    """What the last report left; empty where it left nothing that can be read."""
    try:
        found = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        return {name: entry for name, entry in found.items() if entry.keys() >= {"digest", "files", "picture"}}
    except (OSError, ValueError, AttributeError):
        return {}


def _sound(entry: Mapping[str, Any], folder: Path) -> bool:
    return all(_hash(folder / name) == digest for name, digest in entry["files"].items())


def _hash(path: Path) -> str | None:
    return sha256(path.read_bytes()) if path.is_file() else None


@cache
def _code() -> str:
    """What draws: this package's sources, and the library's version."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return sha256(version("matplotlib"), *(path.read_bytes() for path in sources))


def _feed(update: Callable[[bytes], object], value: object) -> None:
    """Feed a value to a hash so that unlike values differ: each with its kind and, where it has parts, their number."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        update(f"array {value.dtype.str} {value.shape} ".encode())
        update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.ndarray):
        _feed(update, value.tolist())
    elif isinstance(value, pd.DataFrame):
        _feed(update, (list(value.columns), pd.util.hash_pandas_object(value, index=False).to_numpy()))
    elif is_dataclass(value) and not isinstance(value, type):
        _feed(update, (type(value).__name__, {f.name: getattr(value, f.name) for f in fields(value)}))
    elif isinstance(value, Mapping):
        update(f"mapping {len(value)} ".encode())
        for item in value.items():
            _feed(update, item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        update(f"sequence {len(value)} ".encode())
        for part in value:
            _feed(update, part)
    else:
        assert value is None or isinstance(value, str | int | float | np.generic), type(value)
        text = repr(value)
        update(f"{type(value).__name__} {len(text)} {text} ".encode())
