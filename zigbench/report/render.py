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
from zigbench.record import write_atomically
from zigbench.report.figures import Picture, drawing, strip

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
    """Each arm's samples as one embedded PNG, scaled down until all of them keep within the budget."""
    side = 128
    while True:
        made = [_picture(arm, images, count, side) for arm, images in samples.items()]
        if side <= 16 or sum(len(p["source"]) for p in made) <= PICTURE_BUDGET:
            return made
        side = side * 3 // 4


def _picture(arm: str, images: np.ndarray, count: int, side: int) -> dict[str, Any]:
    picture = Image.fromarray(strip(images, count))
    height = images.shape[-2]
    if height > side:
        width = max(1, math.floor(picture.width * side / height))
        picture = picture.resize((width, side), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    scale = max(1, round(64 / picture.height))
    n = min(count, len(images))
    return {
        "arm": arm,
        "source": "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(),
        "width": picture.width * scale,
        "height": picture.height * scale,
        "alternative": f"{n} generated samples of {arm}, {images.shape[-1]} by {height} pixels each",
    }
