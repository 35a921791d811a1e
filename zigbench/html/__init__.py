"""Pages as one self-contained HTML file: base template, palette, style and script, shared by every kind of page.

A template of another package extends ``base.html.j2``, which embeds style and script::

    html.render("zigbench.report", "suite.html.j2", title="…", page=content)
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from zigbench import __version__

# (light, dark); every text colour has a contrast of at least 4.5 on paper and panel, in both.
COLOURS = {
    "paper": ("#fbfaf7", "#15171b"), "panel": ("#ffffff", "#1c1f24"), "ink": ("#1c1d21", "#e9e7e2"),
    "muted": ("#5c616b", "#a5aab4"), "rule": ("#dddbd4", "#343840"), "edge": ("#8b8f98", "#6c727d"),
    "hover": ("#f2f0ea", "#20242a"), "link": ("#1a5a94", "#8ac1ef"), "mark": ("#1f6aa8", "#7db8ea"),
    "good": ("#2f7d5b", "#63bb90"), "better": ("#1f6aa8", "#7db8ea"), "worse": ("#b4431d", "#f2926c"),
    # Nine hues of similar lightness, chosen to be distinguishable for colour-blind readers.
    "series-0": ("#1f5f9e", "#7db3ea"), "series-1": ("#b14d12", "#ee9a63"), "series-2": ("#27744f", "#6fc6a0"),
    "series-3": ("#8a4fb0", "#c19be6"), "series-4": ("#876404", "#d9b450"), "series-5": ("#0b7480", "#5cc4cf"),
    "series-6": ("#b83272", "#ee86b5"), "series-7": ("#5a6b82", "#a4b4c9"), "series-8": ("#7b4a2b", "#d09b78"),
}  # fmt: skip
"""By the name of the CSS variable."""


def render(package: str, template: str, **context: Any) -> str:
    """Render a template as one page; every string of ``context`` is escaped unless the template marks it as safe.

    Args:
        package: whose folder ``templates`` holds the template; base template and style come from here.
        template: its file name.
        context: the variables of the template, ``title`` among them.
    """
    environment = _environment(package)
    css = environment.get_template("style.css.j2").render(colours=COLOURS)
    assert environment.loader is not None
    script = environment.loader.get_source(environment, "page.js")[0]
    # Text of this package: not escaped.
    shared = {"css": Markup(css), "script": Markup(script), "version": __version__}
    return environment.get_template(template).render(**shared, **context)


@cache
def _environment(package: str) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("zigbench.html")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        # A line never breaks between a number and its per cent sign.
        finalize=lambda value: value.replace(" %", "\u00a0%") if type(value) is str else value,
    )
