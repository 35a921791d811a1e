"""Sphinx configuration: the pages are Markdown, the reference is read from the code (see ``generate``)."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import generate

project = "zigbench"
author = "the zigbench maintainers"
release = version = metadata.version("zigbench")
copyright = author

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "zigbench"
html_static_path = ["_static"]
html_css_files = ["zigbench.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}


def _fill(app: Any, page: str, source: list[str]) -> None:
    source[0] = generate.fill(source[0])


def setup(app: Any) -> None:
    app.connect("source-read", _fill)
