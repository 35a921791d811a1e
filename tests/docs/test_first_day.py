"""The first day: every command of its page is executed in turn, and prints the lines that the page shows."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from tests.support.processes import Fork, zigbench

PAGE = Path(__file__).parents[2] / "docs/first_day.md"
FENCE = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def missing_line(shown: list[str], printed: list[str]) -> str | None:
    """Return the first shown line that is not printed in its turn; None where all are.

    Args:
        shown: lines of the page; "…" stands for any text, alone on a line for any lines.
        printed: lines of the program, among which those of the page stand in the same order.
    """
    rest = iter(printed)
    for line in shown:
        pattern = re.compile(re.escape(line).replace("…", ".*"))
        if line != "…" and not any(pattern.fullmatch(other.rstrip()) for other in rest):
            return line
    return None


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        (["a", "b"], None),
        (["a", "…", "c"], None),
        (["a … c"], None),
        (["b", "a"], "a"),
        (["a", "d"], "d"),
        (["a."], "a."),
    ],
)
def test_shown_lines_are_found_in_their_order(shown, missing):
    assert missing_line(shown, ["a", "b", "c", "a b c"]) == missing


def test_the_first_day_goes_as_its_page_shows(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    executed = 0
    for kind, text in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "python":
            named = re.match(r"# (\w+\.py)\n", text)
            file = tmp_path / (named[1] if named else "listing.py")
            file.write_text(text, encoding="utf-8")
            if not named:
                done = Fork(lambda file=file: runpy.run_path(str(file)), tmp_path).wait()
                assert done.returncode == 0, done.stderr
            continue
        for part in text.removeprefix("$ ").split("\n$ "):
            command, *shown = part.splitlines()
            done = zigbench(*shlex.split(command)[1:], cwd=tmp_path)
            printed = (done.stdout + done.stderr).splitlines()
            lost = missing_line(shown, printed)
            assert lost is None, f"{command} does not print {lost!r} but\n{done.stdout}{done.stderr}"
            executed += 1
    assert executed == PAGE.read_text(encoding="utf-8").count("\n$ ")
