"""A figure is drawn again where its values, its note or its files changed, and only there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from zigbench.report import figures
from zigbench.report.figures import Drawing, Point, ask, asked
from zigbench.report.statistics import Estimate

HERE = Point("a", 1.0, Estimate(1.0, 0.9, 1.1, 3))
THERE = Point("b", 2.0, Estimate(2.0, 1.9, 2.1, 3))
calls: list[str] = []


def dots(points: list[Point], name: str) -> Drawing:
    calls.append(name)
    return figures.scatter(points, "X", "fid", name)


def draw(folder: Path, note: str = "", **points: list[Point]) -> tuple[list[str], Mapping[str, Any]]:
    """What had to be drawn, and the pictures."""
    calls.clear()
    made = figures.pictured({name: ask(dots, of, name) for name, of in points.items()}, folder, note)
    return list(calls), made


def test_only_what_changed_is_drawn(tmp_path: Path) -> None:
    drawn, first = draw(tmp_path, one=[HERE, THERE], two=[HERE, THERE])
    assert drawn == ["one", "two"]
    drawn, again = draw(tmp_path, one=[HERE, THERE], two=[HERE, THERE])
    assert drawn == []
    assert again == first
    drawn, changed = draw(tmp_path, one=[HERE, THERE], two=[HERE, replace(THERE, x=2.5)])
    assert drawn == ["two"]
    assert changed["one"] == first["one"]
    assert changed["two"] != first["two"]


def test_a_note_is_a_part_of_every_figure(tmp_path: Path) -> None:
    draw(tmp_path, "1 of 2 runs.", one=[HERE, THERE])
    drawn, made = draw(tmp_path, "2 of 2 runs.", one=[HERE, THERE])
    assert drawn == ["one"]
    assert made["one"].caption.endswith("2 of 2 runs.")
    assert "2 of 2 runs." in (tmp_path / "one.svg").read_text()


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_file_that_is_lost_or_edited_is_made_again(suffix: str, tmp_path: Path) -> None:
    draw(tmp_path, one=[HERE, THERE])
    path = tmp_path / f"one.{suffix}"
    before = path.read_bytes()
    path.write_bytes(before[:-9])
    assert draw(tmp_path, one=[HERE, THERE])[0] == ["one"]
    assert path.read_bytes() == before
    path.unlink()
    assert draw(tmp_path, one=[HERE, THERE])[0] == ["one"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"one": 3}', '{"one": {"digest": "x"}}'])
def test_a_damaged_memory_is_no_memory(text: str, tmp_path: Path) -> None:
    (tmp_path / asked.KEPT).write_text(text)
    assert draw(tmp_path, one=[HERE, THERE])[0] == ["one"]
    assert list(json.loads((tmp_path / asked.KEPT).read_text())) == ["one"]


def test_other_code_draws_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path, one=[HERE, THERE])
    monkeypatch.setattr(asked, "_code", lambda: "another")
    assert draw(tmp_path, one=[HERE, THERE])[0] == ["one"]


def digest(value: Any) -> str:
    return ask(dots, value, "one").digest()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (["a", "b"], ["ab"]),
        ([["a"], "b"], ["a", ["b"]]),
        ([1], [1.0]),
        (["1"], [1]),
        ([None], ["None"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.zeros(4, np.uint8), np.zeros((2, 2), np.uint8)),
        (np.zeros(2, np.float32), np.zeros(1, np.float64)),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [2, 1]})),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]})),
        (HERE, replace(HERE, y=replace(HERE.y, n=4))),
    ],
)
def test_unlike_values_have_unlike_digests(a: Any, b: Any) -> None:
    assert digest(a) != digest(b)
    assert digest(a) == digest(a)
