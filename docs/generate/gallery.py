"""Pictures that zigbench made: scan curves drawn now, and the figures of the measured reports that are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

from generate.words import code
from zigbench import scan
from zigbench.scan.render import svg
from zigbench.spec import registry

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "reports/measured"
SHOWN = ("zigzag", "hilbert", "hilbert-released", "spiral", "peano", "z-order")
LARGEST = 600_000
"""Bytes of a figure above which the page only names it."""


def curves() -> str:
    """Some curves on 16×16, side by side."""
    pictures = {name: svg(scan.make_order(name, (16, 16)), title=f"{name} on 16×16") for name in SHOWN}
    figures = (f"<figure>{picture}<figcaption>{name}</figcaption></figure>" for name, picture in pictures.items())
    return f'<div class="curves">{"".join(figures)}</div>\n'


def measured(folder: Path = MEASURED, page: Path = ROOT / "docs") -> str:
    """A section for each report under ``folder``, its figures linked from a page that lies in the folder ``page``."""
    reports = sorted(path.parent for path in folder.glob("*/figures"))
    if not reports:
        return "No measured report is kept with this version of the code.\n"
    return "\n".join(_report(report, page) for report in reports)


def _report(report: Path, page: Path) -> str:
    known = report.name in registry.suites.names()
    parts = [f"### {report.name}"]
    if known:
        suite = registry.suites.get(report.name)
        parts += [f"*{suite.question}*", *suite.notes]
    if commands := _commands(report / "cells.json"):
        parts.append("Made by " + ", then ".join(code(command) for command in commands) + ".")
    figures = sorted((report / "figures").glob("*.svg"), key=lambda path: (path.stem != "effects", path.stem))
    for path in figures:
        where = Path(os.path.relpath(path, page)).as_posix()
        name = path.stem.replace("_", " ")
        text = f"![{name} of {report.name}]({where})" if path.stat().st_size <= LARGEST else f"{name}: {code(where)}"
        parts.append(text)
    return "\n\n".join(parts) + "\n"


def _commands(cells: Path) -> list[str]:
    return list(json.loads(cells.read_text(encoding="utf-8"))) if cells.is_file() else []
