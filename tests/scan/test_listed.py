"""Explicit orders from files: read in three formats, refused with the first offending step."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from zigbench import scan

SPIRAL = [0, 1, 2, 5, 8, 7, 6, 3, 4]


def write(folder: Path, content: object) -> str:
    path = folder / "mine.json"
    path.write_text(json.dumps(content))
    return f"file[path={path}]"


def test_json_text_and_array_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("0 1 2\n5 8 7\n6 3 4\n")
    np.save(tmp_path / "mine.npy", np.array(SPIRAL, dtype=np.int32))
    names = [write(tmp_path, {"grid": [3, 3], "order": SPIRAL})]
    names += [f"file[path={tmp_path / name}]" for name in ("mine.txt", "mine.npy")]
    for name in names:
        for variant in range(8):
            order = scan.make_order(name, (3, 3), variant)
            assert order.digest == scan.make_order("spiral", (3, 3), variant).digest


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    name = write(tmp_path, {"grid": [3, 3], "order": SPIRAL})
    before = scan.make_order(name, (3, 3))
    write(tmp_path, {"grid": [3, 3], "order": SPIRAL[::-1]})
    assert (scan.make_order(name, (3, 3)).order == before.order[::-1]).all()


def test_a_pinned_file_may_not_change(tmp_path: Path) -> None:
    name = write(tmp_path, {"grid": [3, 3], "order": SPIRAL})
    digest = hashlib.sha256((tmp_path / "mine.json").read_bytes()).hexdigest()
    pinned = f"{name[:-1]},sha256={digest[:12]}]"
    assert scan.make_order(pinned, (3, 3)).curve == pinned
    assert scan.make_order(pinned, (3, 3)).digest == scan.make_order(name, (3, 3)).digest
    write(tmp_path, {"grid": [3, 3], "order": SPIRAL[::-1]})
    with pytest.raises(ValueError, match="has SHA-256"):
        scan.make_order(pinned, (3, 3))


def test_listed_variants_are_taken_as_they_are(tmp_path: Path) -> None:
    name = write(tmp_path, {"grid": [1, 2, 2], "orders": [[0, 1, 2, 3], [3, 1, 2, 0]]})
    assert scan.make_order(name, (1, 2, 2), 1).order.tolist() == [3, 1, 2, 0]
    assert [o.variant for o in scan.layer_orders(name, 2, 4, (1, 2, 2))] == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="lists 2 variants; variant 2"):
        scan.make_order(name, (1, 2, 2), 2)


def test_a_rectangles_single_order_has_the_four_mirrors_only(tmp_path: Path) -> None:
    name = write(tmp_path, {"grid": [1, 3], "order": [0, 2, 1]})
    assert scan.make_order(name, (1, 3), 2).order.tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="transposed grid 3x1"):
        scan.make_order(name, (1, 3), 1)


def test_a_false_claim_is_warned_about(tmp_path: Path) -> None:
    name = write(tmp_path, {"grid": [2, 2], "order": [0, 3, 1, 2], "space_filling": True})
    with pytest.warns(scan.ContinuityWarning, match="2 of its 3 steps"):
        scan.make_order(name, (2, 2))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"grid": [3, 3], "order": [0, 1, 2, 5, 8, 7, 6, 3, 3]}, r"order\[8\] = 3 repeats the token of step 7"),
        ({"grid": [3, 3], "order": [0, 1, 2]}, "has 3 steps; the grid has 9 tokens"),
        ({"grid": [2, 2], "order": [0, 1, 2, 3]}, "for grid 2x2, not 3x3"),
        ({"grid": [3, 3]}, 'one of "order" and "orders"'),
        ({"order": SPIRAL}, "expected an object with"),
        ({"grid": [3, 0], "order": SPIRAL}, "integer of at least 1"),
        ({"grid": [3, 3], "orders": SPIRAL}, "a list of such lists"),
        ({"grid": [3, 3], "order": [0.5] * 9}, "expected integers"),
        ([0, 1], "expected an object"),
    ],
)
def test_faulty_files_are_refused(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scan.make_order(write(tmp_path, content), (3, 3))


def test_missing_and_unknown_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        scan.make_order(f"file[path={tmp_path / 'none.json'}]", (3, 3))
    (tmp_path / "order.csv").write_text("0,1,2,3,4,5,6,7,8")
    with pytest.raises(ValueError, match=r"ends in \.json"):
        scan.make_order(f"file[path={tmp_path / 'order.csv'}]", (3, 3))
