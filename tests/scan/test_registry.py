"""Curves by name: a user's own by decorator and by entry point, parameters, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from zigbench import scan
from zigbench.scan.registry import Rule, parse
from zigbench.spec import registry


@pytest.mark.usefixtures("own_curves")
def test_a_users_own_curve() -> None:
    @scan.curve("columns")
    def columns(h: int, w: int) -> np.ndarray:
        """Column by column."""
        return np.arange(h * w).reshape(h, w).T.reshape(-1)

    assert "columns" in scan.names()
    assert scan.make_order("columns", (2, 3)).order.tolist() == [0, 3, 1, 4, 2, 5]
    assert scan.make_order("columns", (2, 3), 1).order.tolist() == [0, 1, 2, 3, 4, 5]
    assert scan.label("columns", 4) == "columns-4"
    assert columns(2, 2).tolist() == [0, 2, 1, 3]
    assert columns.__doc__ == "Column by column."


@pytest.mark.usefixtures("own_curves")
@pytest.mark.parametrize("variant", [0, 1, 6])
def test_a_curve_that_repeats_a_token_is_refused_at_that_step(variant: int) -> None:
    @scan.curve("stuck")
    def stuck(h: int, w: int) -> list[int]:
        return [0, 1, 2, 1, *range(4, h * w)]

    with pytest.raises(ValueError, match=r"'stuck' built on (3x4|4x3): order\[3\] = 1 repeats the token of step 1"):
        scan.make_order("stuck", (3, 4), variant)


@pytest.mark.usefixtures("own_curves")
@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ([0, 1, 2, 4], r"order\[3\] = 4 is outside 0 … 3"),
        ([[0, 1], [2, 3]], r"shape \(2, 2\)"),
        ([], "float64"),
        (["a", "b"], "expected integers"),
    ],
)
@pytest.mark.parametrize("variant", [0, 7])
def test_returned_values_that_are_no_order_are_refused(returned: list[object], words: str, variant: int) -> None:
    @scan.curve("faulty")
    def faulty(h: int, w: int) -> list[object]:
        return returned

    with pytest.raises(ValueError, match=words):
        scan.make_order("faulty", (2, 2), variant)


@pytest.mark.parametrize("dimensions", [1, 4])
def test_names_are_of_images_or_clips(dimensions: int) -> None:
    with pytest.raises(ValueError, match="expected 2 or 3"):
        scan.names(dimensions)


@pytest.mark.usefixtures("own_curves")
def test_a_plain_function_in_the_registry_is_a_curve() -> None:
    def plain(h: int, w: int) -> range:
        return range(h * w)

    registry.curves.register("plain")(plain)
    assert scan.make_order("plain", (2, 3)) is scan.make_order("plain", (2, 3))
    registry.volumes.register("misplaced")(plain)
    with pytest.raises(ValueError, match="listed among the 3D curves but takes 2 sides"):
        scan.make_order("misplaced", (1, 2, 3))


@pytest.mark.usefixtures("own_curves")
def test_a_false_claim_to_fill_space_is_warned_about_once_it_is_made() -> None:
    @scan.curve("strided", space_filling=True)
    def strided(h: int, w: int) -> np.ndarray:
        return np.concatenate([np.arange(0, h * w, 2), np.arange(1, h * w, 2)])

    with pytest.warns(scan.ContinuityWarning, match=r"'strided'.*15 of its 15 steps.*sweep has 3"):
        scan.make_order("strided", (4, 4))


@pytest.mark.parametrize("name", scan.names())
def test_built_in_claims_hold(name: str) -> None:
    scan.clear_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("error", scan.ContinuityWarning)
        orders = [scan.make_order(name, grid, v) for grid in ((1, 1), (5, 8), (8, 5), (7, 9)) for v in range(8)]
    assert len(orders) == 32


@pytest.mark.usefixtures("own_curves")
def test_seeded_and_parametric_curves() -> None:
    @scan.curve("rolled")
    def rolled(h: int, w: int, *, rng: np.random.Generator, by: int = 1, back: bool = False) -> np.ndarray:
        steps = int(rng.integers(h * w)) * 0 + by
        return np.roll(np.arange(h * w), -steps if back else steps)

    assert scan.make_order("rolled[by=2]", (2, 2), seed=3).order.tolist() == [2, 3, 0, 1]
    assert scan.make_order("rolled[back=true, by=1]", (2, 2)).curve == "rolled[back=true]"
    assert scan.canonical("rolled[back=TRUE,by=3]") == "rolled[by=3,back=true]"
    with pytest.raises(ValueError, match="cannot be read; expected a number such as 1"):
        scan.make_order("rolled[by=two]", (2, 2))
    with pytest.raises(ValueError, match="expected true or false"):
        scan.make_order("rolled[back=maybe]", (2, 2))


@pytest.mark.usefixtures("own_curves")
def test_a_name_taken_twice_names_both_sides() -> None:
    def other(h: int, w: int) -> range:
        return range(h * w)

    with pytest.raises(
        registry.CollisionError, match=r"two scan curves are called 'zigzag': .*rows:zigzag and .*other"
    ):
        scan.curve("zigzag")(other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zigzga", "did you mean 'zigzag'"),
        ("blocked[sise=4]", "no parameter 'sise'; did you mean 'size'"),
        ("zigzag[size=4]", "parameters: none"),
        ("blocked[size=4", "unbalanced"),
        ("blocked[size]", "'size' is not key=value"),
        ("blocked[inner=hilbrt]", "did you mean 'hilbert'"),
        ("file", r"file\[path=…\]"),
    ],
)
def test_misspelt_names_and_parameters(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scan.make_order(text, (4, 4))


def test_nested_parameters_are_read_to_their_depth() -> None:
    name = "blocked[inner=blocked[inner=hilbert,size=2],size=4]"
    assert parse(name) == ("blocked", {"inner": "blocked[inner=hilbert,size=2]", "size": "4"})
    assert len(scan.make_order(name, (9, 7))) == 63


@pytest.mark.parametrize("name", ["", "my curve", "-lead", "zigzag-8", "a[b]"])
def test_names_that_can_not_be_written_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="curve name"):
        scan.curve(name)(lambda h, w: range(h * w))


@pytest.mark.parametrize("rule", [lambda h: range(h), lambda *sides: range(3), lambda a, b, c, d: range(a)])
def test_functions_that_are_no_curves_are_refused(rule: Rule) -> None:
    with pytest.raises(ValueError, match="curve <function"):
        scan.curve("mine")(rule)


def test_a_curve_by_entry_point(tmp_path: Path) -> None:
    (tmp_path / "snail.py").write_text(
        "import numpy as np\n"
        "def columns(h, w):\n    return np.arange(h * w).reshape(h, w).T.reshape(-1)\n"
        "def frames(t, h, w):\n    return np.arange(t * h * w)[::-1]\n"
    )
    metadata = tmp_path / "snail-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: snail\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[zigbench.curves]\ncolumns = snail:columns\nbroken = snail:missing\n"
        "[zigbench.curves_3d]\nbackwards = snail:frames\nflat = snail:columns\n"
    )
    code = (
        "from zigbench import scan; import sys\n"
        "assert 'columns' in scan.names() and 'backwards' in scan.names(3) and 'snail' not in sys.modules\n"
        "assert scan.make_order('columns', (2, 3)).order.tolist() == [0, 3, 1, 4, 2, 5]\n"
        "assert scan.make_order('columns', (2, 3)) is scan.make_order('columns', (2, 3))\n"
        "assert scan.make_order('backwards', (2, 1, 2)).order.tolist() == [3, 2, 1, 0]\n"
        "for name, grid in (('broken', (2, 2)), ('flat', (1, 2, 2))):\n"
        "    try:\n        scan.make_order(name, grid)\n"
        "    except ValueError as error:\n        print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "'broken'" in done.stdout
    assert "zigbench.curves_3d" in done.stdout
