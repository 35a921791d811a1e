"""The files of a report, and the index of all reports, made from the summaries beside their pages."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zigbench import html
from zigbench.spec.files import write_atomically


@dataclass(frozen=True)
class Summary:
    """The contents of ``summary.json``, beside the page of a report.

    Args:
        suite: its name.
        question: the suite's question.
        answer: sentences.
        completeness: how many runs have finished.
        hardware: devices of the finished runs; "" without any.
        recorded: day of the newest record; "" without records.
        command: the command line that makes the report again.
    """

    suite: str
    question: str
    answer: Sequence[str]
    completeness: str
    hardware: str
    recorded: str
    command: str


def write_html(path: Path, text: str) -> None:
    """Write a page atomically; characters that are no Unicode are replaced."""
    write_atomically(path, text.encode("utf-8", errors="replace"))


def write_page(out: Path, text: str, summary: Summary) -> Path:
    """Write ``index.html`` and ``summary.json`` into the folder ``out``, and return the path of the page."""
    write_html(out / "index.html", text)
    content = json.dumps(dataclasses.asdict(summary), indent=1, ensure_ascii=False)
    write_atomically(out / "summary.json", content.encode())
    return out / "index.html"


def write_index(out: Path, *, command: str) -> Path:
    """Write ``<out>/index.html`` over the reports in the folders of ``out``, and return its path.

    A report whose summary can't be read is named on the page.

    Args:
        out: the folder that holds a folder per suite.
        command: the command line that makes the index again.

    Raises:
        OSError: ``out`` can't be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    reports: dict[str, Summary] = {}
    problems: list[str] = []
    names = [field.name for field in dataclasses.fields(Summary)]
    for path in sorted(out.glob("*/summary.json")):
        folder = path.parent.name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            reports[folder] = Summary(**{name: content[name] for name in names})
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"The report in {folder} cannot be read ({type(error).__name__}): make it again.")
    text = html.render(
        "zigbench.report", "index.html.j2", title="All suites", reports=reports, problems=problems, command=command
    )
    write_html(out / "index.html", text)
    return out / "index.html"
