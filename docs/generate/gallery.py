"""Pictures that zigbench draws: scan curves, drawn now, and the summary of the measured suites."""

from __future__ import annotations

import os
import re
from pathlib import Path

from zigbench import scan
from zigbench.scan.render import svg

ROOT = Path(__file__).resolve().parents[2]
CURVES = ("zigzag", "hilbert", "hilbert-released", "spiral", "peano", "z-order")


def curves() -> str:
    """Return some curves on 16×16, side by side."""
    pictures = {name: svg(scan.make_order(name, (16, 16)), title=f"{name} on 16×16") for name in CURVES}
    figures = (f"<figure>{picture}<figcaption>{name}</figcaption></figure>" for name, picture in pictures.items())
    return f'<div class="curves">{"".join(figures)}</div>\n'


def measured(summary: Path = ROOT / "reports/README.md", page: Path = ROOT / "docs") -> str:
    """Return the sections of the summary that ``make reports`` writes: question, answer and one figure a suite.

    Args:
        summary: the file to read; its figures are linked, not copied.
        page: folder of the page that the sections go into.
    """
    if not summary.is_file():
        return "No summary has been written with this version of the code; `make reports` writes it.\n"
    _, _, sections = summary.read_text(encoding="utf-8").partition("\n## ")
    folder = Path(os.path.relpath(summary.parent, page)).as_posix()
    text = re.sub(r"^## ", "### ", f"## {sections}", flags=re.MULTILINE)
    return re.sub(r"\]\((?=figures/)", f"]({folder}/", text)
