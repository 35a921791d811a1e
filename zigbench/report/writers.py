"""Tables as CSV, Markdown and LaTeX (booktabs), each with its own escaping."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from zigbench.report.tables import Entry, Table

# One pass over the characters, so that nothing that an escape brings in is escaped again.
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "−": "$-$", "×": r"$\times$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\to$",
    "τ": r"$\tau$", "χ": r"$\chi$", "²": "$^2$", "⁵": "$^5$", "⁰": "$^0$", "ᵏ": "$^k$", "·": r"$\cdot$",
    "–": "--", "‡": r"$\ddagger$", "\n": " ", "\r": " ",
}  # fmt: skip
_MARKDOWN = {**{c: f"\\{c}" for c in "\\`*_[]|~"}, "<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "}


def latex_text(text: str) -> str:
    """``text`` set as it stands by LaTeX."""
    return "".join(_LATEX.get(c, c) for c in text)


def markdown_text(text: str) -> str:
    """``text`` shown as it stands by Markdown, inside a table cell too."""
    return "".join(_MARKDOWN.get(c, c) for c in text)


def csv_text(table: Table) -> str:
    """Numbers as numbers, in full; a column of estimates is followed by low, high and n, and by their protocol."""
    wide = [any(row[i].estimate is not None for row in table.rows) for i in range(len(table.columns))]
    known = [any(row[i].protocol for row in table.rows) for i in range(len(table.columns))]
    header: list[str] = []
    for column, estimates, protocols in zip(table.columns, wide, known, strict=True):
        beside = [*(("low", "high", "n") if estimates else ()), *(("protocol",) if protocols else ())]
        title = column.title.translate({10: " ", 13: " "})
        header += [title, *(f"{title} {k}" for k in beside)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in table.rows:
        cells: list[str] = []
        for entry, estimates, protocols in zip(row, wide, known, strict=True):
            cells.append(_csv_cell(entry))
            if estimates:
                e = entry.estimate
                cells += ["", "", ""] if e is None else [_plain(e.low), _plain(e.high), str(e.n)]
            cells += [entry.protocol] if protocols else []
        writer.writerow(cells)
    return out.getvalue()


def _csv_cell(entry: Entry) -> str:
    if entry.estimate is not None:
        return _plain(entry.estimate.mean)
    text = entry.text.translate({10: " ", 13: " "})
    # A spreadsheet runs text that begins like a formula; a quote before it keeps it text.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") and entry.value is None else text


def _plain(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def markdown(table: Table) -> str:
    """A pipe table with its title above and its notes below."""

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rows = [line([markdown_text(c.title) for c in table.columns])]
    rows.append(line(["---:" if c.numeric else ":---" for c in table.columns]))
    for row in table.rows:
        rows.append(line([_marked(markdown_text(e.text), e, "**{}**", "<u>{}</u>") for e in row]))
    parts = [f"**{markdown_text(table.title)}**", "\n".join(rows), *(markdown_text(note) for note in table.notes)]
    return "\n\n".join(parts) + "\n"


def latex(table: Table) -> str:
    """A ``table`` environment with booktabs rules; needs ``\\usepackage{booktabs}`` and UTF-8."""
    spec = "".join("r" if c.numeric else "l" for c in table.columns)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(table.title)}}}", rf"\label{{tab:{table.name}}}"]
    lines += [rf"\begin{{tabular}}{{{spec}}}", r"\toprule"]
    lines += [" & ".join(latex_text(c.title) for c in table.columns) + r" \\", r"\midrule"]
    for row in table.rows:
        cells = (_marked(latex_text(e.text), e, r"\textbf{{{}}}", r"\underline{{{}}}") for e in row)
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip\footnotesize {latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _marked(text: str, entry: Entry, best: str, level: str) -> str:
    return {"best": best, "level": level}.get(entry.mark, "{}").format(text)


def write(table: Table, folder: Path) -> tuple[Path, ...]:
    """Write ``<name>.csv``, ``.md`` and ``.tex`` into ``folder``, which exists."""
    paths = []
    for suffix, text in (("csv", csv_text(table)), ("md", markdown(table)), ("tex", latex(table))):
        path = folder / f"{table.name}.{suffix}"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return tuple(paths)
