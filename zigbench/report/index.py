"""The index of all reports: every suite's question and answer, its runs, its hardware, its newest record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zigbench.report import render

KEYS = ("suite", "question", "answer", "completeness", "hardware", "recorded", "command")


def write_index(out: Path, *, command: str) -> Path:
    """Write ``<out>/index.html`` over the reports in the folders of ``out``, and return its path.

    A report is a folder with the ``summary.json`` that :func:`zigbench.report.write` leaves beside its page; one
    that can't be read is named on the page.

    Args:
        out: the folder that holds a folder per suite.
        command: the command line that makes the index again.

    Raises:
        OSError: ``out`` can't be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    reports: list[dict[str, Any]] = []
    problems: list[str] = []
    for path in sorted(out.glob("*/summary.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            reports.append({key: found[key] for key in KEYS} | {"folder": path.parent.name})
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"The report in {path.parent.name} can't be read ({type(error).__name__}): make it again.")
    index = out / "index.html"
    text = render.page("index.html.j2", title="All suites", reports=reports, problems=problems, command=command)
    render.write(index, text)
    return index
