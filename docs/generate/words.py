"""Python objects in words, beside those of :mod:`zigbench.spec.description`: modules that must not be imported."""

from __future__ import annotations

import ast
from pathlib import Path

from zigbench.spec.description import NONE, code, markdown, summary, table

__all__ = ["NONE", "code", "markdown", "module_summary", "summary", "table"]


def module_summary(reference: str) -> str:
    """First paragraph of the docstring of the module in ``"package.module:name"``, read without importing it."""
    root = Path(__file__).resolve().parents[2]
    source = root.joinpath(*reference.partition(":")[0].split(".")).with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return markdown(docstring.split("\n\n")[0])
