"""A table as data, and its files: CSV, Markdown and LaTeX (booktabs). Pages render the same data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from zigbench.report import formatting
from zigbench.report.statistics import Estimate

Mark = Literal["", "best", "level", "bad", "quiet"]


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    Args:
        text: what a reader sees.
        value: the number it sorts by; None for text.
        mark: how it is set apart.
        hint: text shown on hovering.
        estimate: the estimate behind the number, written beside it in CSV.
        link: address of a page about it.
        protocol: hashes of the protocols the number was measured under, written beside it in CSV.
    """

    text: str
    value: float | None = None
    mark: Mark = ""
    hint: str = ""
    estimate: Estimate | None = None
    link: str = ""
    protocol: str = ""


def number_entry(value: float, digits: int = 4, unit: str = "") -> Entry:
    """Return a cell that shows a number and sorts by it; a dash where it is not finite."""
    return Entry(formatting.number(value, digits) + unit, value) if math.isfinite(value) else Entry(formatting.NONE)


def finite(value: float) -> float | None:
    """Return ``value`` for sorting, None where it is not finite."""
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True)
class Column:
    """A column's heading, whether it holds numbers, and a text shown on hovering.

    A column of ``choices`` has a list on the page from which a reader takes the rows of one; a cell may hold several,
    with commas between them.
    """

    title: str
    numeric: bool = False
    hint: str = ""
    choices: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under columns, with a title and the notes that belong below. ``name`` is the stem of its files."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def choices(self) -> str:
        """The numbers of the columns of choices, with commas between them."""
        return ",".join(str(number) for number, column in enumerate(self.columns) if column.choices)

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.name


def write(table: Table, folder: Path) -> tuple[Path, ...]:
    """Write ``<name>.csv``, ``.md`` and ``.tex`` into ``folder``, which exists, and return their paths."""
    paths = []
    for suffix, text in (("csv", csv(table)), ("md", markdown(table)), ("tex", latex(table))):
        path = folder / f"{table.name}.{suffix}"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return tuple(paths)


def csv(table: Table) -> str:
    """Return the table as CSV, estimates in full precision followed by their low, high, n and protocol."""
    titles: list[str] = []
    columns: list[list[object]] = []
    for index, column in enumerate(table.columns):
        entries = [row[index] for row in table.rows]
        title = _one_line(column.title)
        titles.append(title)
        columns.append([_csv_cell(entry) for entry in entries])
        if any(entry.estimate for entry in entries):
            titles += [f"{title} {bound}" for bound in ("low", "high", "n")]
            columns += [[_plain(e.estimate.low) if e.estimate else "" for e in entries]]
            columns += [[_plain(e.estimate.high) if e.estimate else "" for e in entries]]
            columns += [[e.estimate.n if e.estimate else "" for e in entries]]
        if any(entry.protocol for entry in entries):
            titles.append(f"{title} protocol")
            columns.append([entry.protocol for entry in entries])
    frame = pd.DataFrame(list(zip(*columns, strict=True)), columns=range(len(columns)), dtype=object)
    return frame.to_csv(header=titles, index=False, lineterminator="\n")


def _csv_cell(entry: Entry) -> object:
    if entry.estimate is not None:
        return _plain(entry.estimate.mean)
    text = _one_line(entry.text)
    # A spreadsheet runs text that begins like a formula; a quote before it keeps it text.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") and entry.value is None else text


def _plain(value: float) -> object:
    return float(value) if math.isfinite(value) else ""


def _one_line(text: str) -> str:
    return text.translate({10: " ", 13: " "})


_MARKDOWN = str.maketrans(
    {**{c: f"\\{c}" for c in "\\`*_[]|~"}, "<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "}
)


def markdown(table: Table) -> str:
    """Return a pipe table with its title above and its notes below."""
    rows = [[column.title.translate(_MARKDOWN) for column in table.columns]]
    rows.append(["---:" if column.numeric else ":---" for column in table.columns])
    rows += [[_marked(e.text.translate(_MARKDOWN), e, "**{}**", "<u>{}</u>") for e in row] for row in table.rows]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    parts = [f"**{table.title.translate(_MARKDOWN)}**", lines, *(note.translate(_MARKDOWN) for note in table.notes)]
    return "\n\n".join(parts) + "\n"


# One pass over the characters, so that nothing that an escape brings in is escaped again.
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "−": "$-$", "×": r"$\times$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\to$",
    "τ": r"$\tau$", "χ": r"$\chi$", "²": "$^2$", "⁵": "$^5$", "⁰": "$^0$", "ᵏ": "$^k$", "·": r"$\cdot$",
    "–": "--", "‡": r"$\ddagger$", "\n": " ", "\r": " ",
})  # fmt: skip


def latex(table: Table) -> str:
    """Return a ``table`` environment with booktabs rules; it needs ``\\usepackage{booktabs}`` and UTF-8."""
    bold, underlined = r"\textbf{{{}}}", r"\underline{{{}}}"
    rows = [[_marked(e.text.translate(_LATEX), e, bold, underlined) for e in row] for row in table.rows]
    headings = [column.title.translate(_LATEX) for column in table.columns]
    lines = [
        r"\begin{table}",
        rf"\caption{{{table.title.translate(_LATEX)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in table.columns)}}}",
        r"\toprule",
        rf"{' & '.join(headings)} \\",
        r"\midrule",
        *(rf"{' & '.join(row)} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip\footnotesize {note.translate(_LATEX)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _marked(text: str, entry: Entry, best: str, level: str) -> str:
    return {"best": best, "level": level}.get(entry.mark, "{}").format(text)
