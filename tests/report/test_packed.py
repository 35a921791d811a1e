"""Pages of suites that a pack defines and this machine does not know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import synthetic

from zigbench.records import packing
from zigbench.records.collect import scan
from zigbench.records.sources import Sources
from zigbench.report import write
from zigbench.report.answer import answer
from zigbench.report.packed import packed_names, packed_suite
from zigbench.report.results import Results, join
from zigbench.suite import Cell, Suite


def pack(root: Path, out: Path, suite: Suite, cells: list[Cell]) -> Sources:
    runs: Mapping[str, Mapping[str, Mapping[str, str]]] = {c.spec.id: {suite.name: dict(c.labels)} for c in cells}
    labels = packing.Labels({suite.name: suite.to_json()}, runs)
    packing.write(scan(root, only=runs).records, labels, out, author="tests")
    return Sources.of(out)


def test_a_pack_has_all_that_a_page_needs_of_a_suite(
    results: Results, suite: Suite, cells: list[Cell], root: Path, tmp_path: Path
) -> None:
    sources = pack(root, tmp_path / "pack", suite, cells)
    assert packed_names(sources) == ("squares",)
    unknown, found = packed_suite(sources, "squares")
    assert [(cell.spec.id, cell.labels) for cell in found] == [(cell.spec.id, cell.labels) for cell in cells]
    assert unknown.contrasts == suite.contrasts
    assert unknown.baseline == suite.baseline
    again = join(unknown, found, tmp_path / "pack")
    assert list(map(str, answer(again))) == list(map(str, answer(results)))
    page = write(unknown, found, root=tmp_path / "pack", out=tmp_path / "page", command="zigbench report squares")
    assert "The order matters" in page.read_text()


def test_a_suite_that_no_pack_has_is_refused_with_those_that_there_are(
    suite: Suite, cells: list[Cell], root: Path, tmp_path: Path
) -> None:
    sources = pack(root, tmp_path / "pack", suite, cells)
    with pytest.raises(ValueError, match=r"no pack has a suite 'circles'.*they have: squares"):
        packed_suite(sources, "circles")


def test_axes_keep_their_order_in_a_pack() -> None:
    suite = synthetic.suite()
    assert suite.to_json()["axis_order"] == ["arm", "seed"]
