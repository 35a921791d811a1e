"""Interactions against closed forms: constructed records in which the order's effect in each mixer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import synthetic

from zigbench.records.record import Measurement
from zigbench.report import interaction
from zigbench.report.answer import answer
from zigbench.report.results import Results, join
from zigbench.suite import Axis, Contrast, Interaction, expand, grid

ARMS = ("zigzag-8", "raster-8", "random-8")
NOISE = {"zigzag-8": (0.0, 0.0, 0.0), "raster-8": (0.001, -0.001, 0.0), "random-8": (0.0, 0.001, -0.001)}
LEVEL = {"mamba": 0.40, "gla": 0.45, "mamba2": 0.42}
JUMPS = {"mamba": 0.03, "gla": 0.03, "mamba2": 0.03}
DISORDER = {"mamba": 0.10, "gla": 0.02, "mamba2": 0.10}
CONTRASTS = (
    Contrast("raster-8", "zigzag-8", says="jumping at each row's end", margin=0.005),
    Contrast("random-8", "zigzag-8", says="eight random orders", margin=0.005),
)


def loss(arm: str, mixer: str, seed: int) -> float:
    """A seed moves the arms of a mixer together; the effect of the order varies by 0.001 between seeds."""
    effect = {"zigzag-8": 0.0, "raster-8": JUMPS[mixer], "random-8": DISORDER[mixer]}[arm]
    own = NOISE[arm][seed] * (1 if mixer == "mamba" else -1)
    return LEVEL[mixer] + effect + 0.02 * seed + own


def results(root: Path, measured: Callable[[str, str, int], float] = loss, reference: str = "mamba") -> Results:
    mixers = Axis("mixer", {name: {"backbone.config.mixer": name} for name in LEVEL})
    suite = synthetic.suite(
        axes=(Axis("arm", {arm: synthetic.point(arm) for arm in ARMS}), mixers, grid("seed", [0, 1, 2])),
        contrasts=CONTRASTS,
        interaction=Interaction("mixer", reference),
        exclude=({"mixer": "gla", "arm": "raster-8"},),
        equal={},
    )
    for cell in expand(suite):
        value = measured(cell.labels["arm"], cell.labels["mixer"], int(cell.labels["seed"]))
        found = (Measurement(name="held_out_loss", value=value, higher_is_better=False),)
        synthetic.record(cell, root, found, log=False)
    return join(suite, list(expand(suite)), root)


def test_the_difference_of_two_effects_is_taken_within_each_seed(tmp_path: Path) -> None:
    rows = interaction.effect_differences(results(tmp_path), "held_out_loss")
    named = {(row.contrast.a, row.point): row for row in rows}
    # An arm that a mixer does not have has no effect in it.
    assert set(named) == {("raster-8", "mamba2"), ("random-8", "gla"), ("random-8", "mamba2")}
    disorder = named["random-8", "gla"]
    assert disorder.effect.estimate.mean == pytest.approx(0.02)
    assert disorder.difference.differences == pytest.approx((-0.08, -0.082, -0.078))
    assert disorder.verdict == "differs"
    for row in (named["raster-8", "mamba2"], named["random-8", "mamba2"]):
        assert row.difference.estimate.mean == pytest.approx(0, abs=1e-12)
        assert row.verdict == "equal"
    p_values = sorted(row.difference.p for row in rows)
    assert min(row.difference.p_holm for row in rows) == pytest.approx(3 * p_values[0])


def test_a_wide_difference_is_neither_different_nor_equal(tmp_path: Path) -> None:
    def scattered(arm: str, mixer: str, seed: int) -> float:
        return loss(arm, mixer, seed) + (0.05 * (seed - 1) if (arm, mixer) == ("raster-8", "mamba2") else 0.0)

    rows = interaction.effect_differences(results(tmp_path, scattered), "held_out_loss")
    assert {row.verdict for row in rows if row.contrast.a == "raster-8"} == {"not separated"}


def test_a_separated_difference_may_lie_within_the_margin(tmp_path: Path) -> None:
    def slight(arm: str, mixer: str, seed: int) -> float:
        shift = 0.003 + 0.0001 * seed if (arm, mixer) == ("raster-8", "mamba2") else 0.0
        return round(loss(arm, mixer, seed) - NOISE[arm][seed] * (1 if mixer == "mamba" else -1), 9) + shift

    rows = interaction.effect_differences(results(tmp_path, slight), "held_out_loss")
    assert {row.verdict for row in rows if row.contrast.a == "raster-8"} == {"differs, within the margin"}


def test_the_answer_states_each_effect_and_its_difference_from_that_in_mamba(tmp_path: Path) -> None:
    sentences = [str(sentence) for sentence in answer(results(tmp_path))]
    effects = next(s for s in sentences if s.startswith("Eight random orders changes held-out loss by"))
    assert "+0.1000 ± 0.0025 at mixer mamba (worse); +0.0200 ± 0.0025 at mixer gla (worse)" in effects
    compared = next(s for s in sentences if s.startswith("The effect of eight random orders (random-8 − zigzag-8)"))
    assert compared.endswith(
        "minus that in mamba, is −0.0800 ± 0.0050 in gla (differs); +0.0000 ± 0.0050 in mamba2 (equal) "
        "(95 % intervals, 3 paired seeds each; Holm's correction over 3 differences)."
    )
    table = interaction.interaction_table(results(tmp_path), "held_out_loss")
    assert [entry.text for entry in table.rows[1]][:3] == ["random-8 − zigzag-8", "gla", "+0.0200 ± 0.0025"]
    assert table.title == "Effects by mixer, against mamba"


def test_no_axis_to_compare_along_and_no_reference_have_no_interaction(tmp_path: Path) -> None:
    absent = results(tmp_path, reference="mamba3")
    assert interaction.interaction_table(absent, "held_out_loss") is None
    assert interaction.interaction_sentences(absent, "held_out_loss") == ()
