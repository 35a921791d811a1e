"""Templates, colours and pictures: what every page shares. Pages are one file each and load nothing."""

from __future__ import annotations

import base64
import io
import math
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from zigbench import __version__
from zigbench.report import figures
from zigbench.report.figures import Picture, drawing
from zigbench.report.figures.clips import EXACT
from zigbench.spec.files import write_atomically

# (light, dark); every text colour has a contrast of at least 4.5 on paper and panel, in both.
COLOURS = {
    "paper": ("#fbfaf7", "#15171b"), "panel": ("#ffffff", "#1c1f24"), "ink": ("#1c1d21", "#e9e7e2"),
    "muted": ("#5c616b", "#a5aab4"), "rule": ("#dddbd4", "#343840"), "edge": ("#8b8f98", "#6c727d"),
    "hover": ("#f2f0ea", "#20242a"), "link": ("#1a5a94", "#8ac1ef"), "mark": ("#1f6aa8", "#7db8ea"),
    "good": ("#2f7d5b", "#63bb90"), "better": ("#1f6aa8", "#7db8ea"), "worse": ("#b4431d", "#f2926c"),
    **{
        f"series-{i}": (light, dark)
        for i, (light, dark) in enumerate(
            zip(
                drawing.SERIES,
                ("#7db3ea", "#ee9a63", "#6fc6a0", "#c19be6", "#d9b450", "#5cc4cf", "#ee86b5", "#a4b4c9", "#d09b78"),
                strict=True,
            )
        )
    },
}  # fmt: skip

PICTURE_BUDGET = 2_000_000
"""Bytes that the pictures of samples on one page may take together."""

SIDE = 128
"""Height in pixels at which samples are shown at most."""


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("zigbench.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        # A line never breaks between a number and its per cent.
        finalize=lambda value: value.replace(" %", "\u00a0%") if type(value) is str else value,
    )


@cache
def _shared() -> dict[str, Any]:
    environment = _environment()
    css = environment.get_template("page.css.j2").render(colours=COLOURS)
    assert environment.loader is not None
    script = environment.loader.get_source(environment, "page.js")[0]
    # Our own text, written for the place where it goes: the one thing beside figures that is not escaped.
    return {"css": Markup(css), "script": Markup(script), "version": __version__}


def page(template: str, **context: Any) -> str:
    """Render a template; every string of ``context`` is escaped unless it is Markup."""
    return _environment().get_template(template).render(**_shared(), **context)


def write(path: Path, text: str) -> None:
    """Write a page whole or not at all."""
    write_atomically(path, text.encode("utf-8", errors="replace"))


def shown(made: Picture) -> dict[str, Any]:
    """A figure as templates want it: its words, and its SVG as markup."""
    return {"name": made.name, "title": made.title, "caption": made.caption, "svg": Markup(made.svg)}


def pictures(samples: dict[str, np.ndarray], count: int = 10) -> list[dict[str, Any]]:
    """Each arm's samples as one embedded PNG, scaled down until all of them keep within the budget.

    Of clips it shows some frames, and an animated WebP beside it (``moving``) all of them.
    """
    side = SIDE
    while True:
        made = [_picture(arm, images, count, side) for arm, images in samples.items()]
        size = sum(len(p["source"]) + len(p["moving"]["source"] if p["moving"] else "") for p in made)
        if side <= 16 or size <= PICTURE_BUDGET:
            return made
        side = side * 3 // 4


def animation(samples: dict[str, np.ndarray]) -> bytes | None:
    """All arms' clips as one animated WebP; None where the samples are images, or clips of several shapes."""
    shapes = {clips.shape[1:] for clips in samples.values() if clips.ndim == 5}
    if len(shapes) != 1 or any(clips.ndim != 5 for clips in samples.values()):
        return None
    height = shapes.pop()[-2]
    return figures.animated(figures.moving(samples), max(min(1, SIDE / height), 64 // height), exact=height <= EXACT)


def _picture(arm: str, images: np.ndarray, count: int, side: int) -> dict[str, Any]:
    clips = images.ndim == 5
    picture = Image.fromarray(figures.film(images) if clips else figures.strip(images, count))
    height = images.shape[-2]
    if height > side:
        width = max(1, math.floor(picture.width * side / height))
        picture = picture.resize((width, side), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    scale = max(1, round(64 / picture.height))
    n = min(count, len(images))
    what = (
        f"{n} generated clips of {arm}, {images.shape[1]} frames of " if clips else f"{n} generated samples of {arm}, "
    )
    return {
        "arm": arm,
        "source": _embedded("image/png", buffer.getvalue()),
        "width": picture.width * scale,
        "height": picture.height * scale,
        "alternative": f"{what}{images.shape[-1]} by {height} pixels each",
        "moving": _moving(images, count, side) if clips else None,
    }


def _moving(clips: np.ndarray, count: int, side: int) -> dict[str, Any]:
    """One arm's clips side by side, moving."""
    frames = figures.moving({"": clips}, count)
    height, width = frames[0].shape[:2]
    shrunk = min(1.0, side / height)
    scale = max(1, round(64 / (height * shrunk)))
    return {
        "source": _embedded("image/webp", figures.animated(frames, shrunk, exact=height <= EXACT)),
        "width": max(1, round(width * shrunk)) * scale,
        "height": max(1, round(height * shrunk)) * scale,
    }


def _embedded(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
