"""Effects of a factorial and their shares of the variance against closed forms on made-up runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import synthetic

from zigbench.records.record import Measurement
from zigbench.report import factorial
from zigbench.report.factorial import Factorial
from zigbench.report.results import Results, join
from zigbench.suite import Axis, expand, grid

CURVES = ("raster", "zigzag", "random")
LEVELS = {"raster": 0.43, "zigzag": 0.40, "random": 0.50}
SHIFT = {1: 0.06, 8: 0.0}
SEEDS = (0.0, 0.01, -0.01)


def results(root: Path, losses: Mapping[tuple[str, int], tuple[float, ...]]) -> Results:
    arms = Axis("arm", {f"{curve}-{n}": synthetic.point(f"{curve}-{n}") for curve, n in losses})
    suite = synthetic.suite(axes=(arms, grid("seed", [0, 1, 2])), contrasts=(), baseline="zigzag-8")
    for cell in expand(suite):
        curve, _, n = cell.labels["arm"].rpartition("-")
        loss = losses[curve, int(n)][int(cell.labels["seed"])]
        measured = (Measurement(name="held_out_loss", value=loss, higher_is_better=False),)
        synthetic.record(cell, root, measured, log=False)
    return join(suite, list(expand(suite)), root)


def additive(curve: str, n: int) -> tuple[float, ...]:
    return tuple(LEVELS[curve] + SHIFT[n] + seed for seed in SEEDS)


def test_an_additive_model_has_its_effects_and_no_interaction(tmp_path: Path) -> None:
    cells = {(curve, n): additive(curve, n) for curve in CURVES for n in (1, 8)}
    cells["zigzag", 2] = (0.42, 0.43, 0.41)
    found = factorial.factorial(results(tmp_path, cells), "held_out_loss")
    # The largest balanced grid leaves out the one arm with two directions.
    assert (found.curves, found.directions, found.seeds) == (CURVES, (1, 8), ("0", "1", "2"))
    effects = {effect.name: effect.estimate for effect in factorial.factor_effects(found)}
    assert effects["Locality"].mean == pytest.approx(0.07)
    assert effects["Continuity"].mean == pytest.approx(0.03)
    assert effects["Directions"].mean == pytest.approx(0.06)
    assert effects["Locality × directions"].mean == pytest.approx(0, abs=1e-12)
    shares = {share.source: share.share for share in factorial.variance_shares(found)}
    # Squares about the means: 6 for each curve, 9 for each number of directions, 6 for each seed.
    levels = np.array(list(LEVELS.values()))
    squares = {
        "curve": 6 * float(((levels - levels.mean()) ** 2).sum()), "directions": 18 * 0.03**2,
        "seed": 6 * 2 * 0.01**2, "curve × directions": 0.0, "rest": 0.0,
    }  # fmt: skip
    total = sum(squares.values())
    assert shares == pytest.approx({source: square / total for source, square in squares.items()}, abs=1e-9)
    text = "".join(factorial.factorial_sentences(results(tmp_path, cells), "held_out_loss")[0].parts)
    assert text.startswith("Of the variance of held-out loss over 3 curves × 1 and 8 directions × 3 seeds, the curve")


def test_an_interaction_is_the_difference_of_differences(tmp_path: Path) -> None:
    cells = {(curve, n): additive(curve, n) for curve in CURVES for n in (1, 8)}
    cells["random", 8] = tuple(value + 0.05 for value in cells["random", 8])
    found = factorial.factorial(results(tmp_path, cells), "held_out_loss")
    effects = {effect.name: effect.by_seed for effect in factorial.factor_effects(found)}
    assert effects["Locality × directions"] == pytest.approx((0.05,) * 3)
    assert effects["Directions of random"] == pytest.approx((0.01,) * 3)
    assert effects["Continuity × directions"] == pytest.approx((0.0,) * 3, abs=1e-12)


def test_the_shares_add_up_and_f_is_the_mean_square_over_that_of_the_rest() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 2, 5))
    shares = {
        share.source: share
        for share in factorial.variance_shares(Factorial(("a", "b"), (1, 8), tuple("01234"), values))
    }
    assert sum(share.share for share in shares.values()) == pytest.approx(1)
    assert [share.freedom for share in shares.values()] == [1, 1, 1, 4, 12]
    mean = values.mean(axis=(1, 2))
    rest = shares["rest"].share * float(((values - values.mean()) ** 2).sum()) / 12
    assert shares["curve"].f == pytest.approx(10 * 2 * ((mean[0] - mean[1]) / 2) ** 2 / rest)


def test_more_numbers_of_directions_grow_the_grid(tmp_path: Path) -> None:
    cells = {(curve, n): tuple(0.4 + 0.1 / n + seed for seed in SEEDS) for curve in CURVES for n in (1, 2, 4, 8)}
    found = factorial.factorial(results(tmp_path, cells), "held_out_loss")
    assert found.directions == (1, 2, 4, 8)
    steps = [e.definition.partition(",")[0] for e in factorial.factor_effects(found) if e.name == "Directions"]
    assert steps == ["1 − 8", "2 − 8", "4 − 8"]


def test_arms_that_are_no_grid_have_no_factorial(tmp_path: Path) -> None:
    found = results(tmp_path, {("zigzag", 8): additive("zigzag", 8), ("raster", 1): additive("raster", 1)})
    assert factorial.factorial(found, "held_out_loss") is None
    assert factorial.factorial_tables(found, "held_out_loss") == ()
