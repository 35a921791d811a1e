"""Averages of any width from kept snapshots, against the averages themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.conftest import net, train
from zigbench.spec import TrainingSpec
from zigbench.training import post_hoc_ema
from zigbench.training.ema import power_exponent
from zigbench.training.post_hoc_ema import coefficients, due, overlap, recombine

STEPS, KEPT = 6_400, (0.05, 0.10)
"""Steps of a training, and the widths that EDM2 keeps."""

SNAPSHOTS = [(step, width) for step in range(200, STEPS + 1, 200) for width in KEPT]


def average(values: np.ndarray, step: int, width: float) -> float:
    """The power-function average of the first ``step`` values, as the training computes it."""
    edges = (np.arange(step + 1) / step) ** (power_exponent(width) + 1)
    return float(np.diff(edges) @ values[:step])


@pytest.mark.parametrize("width", [0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.25])
@pytest.mark.parametrize(
    "parameter",
    [
        lambda t: np.ones_like(t),
        lambda t: t,
        lambda t: np.sqrt(t),
        lambda t: np.exp(-3 * t),
        lambda t: np.cos(8 * t),
    ],
    ids=["constant", "linear", "root", "decaying", "waving"],
)
def test_the_average_of_a_known_function_is_recovered_at_every_width(parameter, width) -> None:
    values = parameter(np.arange(1, STEPS + 1) / STEPS)
    factors = coefficients(SNAPSHOTS, STEPS, width)
    recombined = factors @ np.array([average(values, *snapshot) for snapshot in SNAPSHOTS])
    # The steps before the first snapshot can be weighted only as the snapshots weight them: it shows in wide averages.
    assert recombined == pytest.approx(average(values, STEPS, width), abs=2e-3 if width <= 0.2 else 5e-3)


@pytest.mark.parametrize("width", KEPT)
def test_a_kept_width_is_itself_and_is_nearly_so_without_its_last_snapshot(width) -> None:
    factors = coefficients(SNAPSHOTS, STEPS, width)
    assert factors[SNAPSHOTS.index((STEPS, width))] == 1
    assert np.abs(factors).sum() == 1
    near = coefficients(SNAPSHOTS, STEPS, width * (1 + 1e-9))
    assert near == pytest.approx(factors, abs=1e-3)


@given(st.floats(10, 1e6), st.floats(10, 1e6), st.floats(0.03, 0.27), st.floats(0.03, 0.27))
@settings(max_examples=40, deadline=None)
def test_the_overlap_of_two_profiles_is_their_integral(a, b, one, other) -> None:
    gammas = power_exponent(one), power_exponent(other)
    edges = np.linspace(0, 1, 200_001)
    t = (edges[1:] + edges[:-1]) / 2 * min(a, b)
    profiles = [(g + 1) * (t / end) ** g / end for g, end in zip(gammas, (a, b), strict=True)]
    integral = float((profiles[0] * profiles[1]).mean() * min(a, b))
    assert overlap(np.array([a]), np.array([gammas[0]]), b, gammas[1])[0] == pytest.approx(integral, rel=1e-4)


def test_snapshots_are_of_every_so_many_steps_and_of_the_last() -> None:
    kept = [step for step in range(1, 71) if due(TrainingSpec(steps=70, ema_widths=(0.1,), ema_every=20), step)]
    assert kept == [20, 40, 60, 70]
    assert sum(due(TrainingSpec(steps=3_200, ema_widths=(0.1,)), step) for step in range(1, 3_201)) == 32
    assert not due(TrainingSpec(steps=70), 70)


def test_a_trainings_snapshots_are_its_own_averages_and_give_those_of_other_trainings(tmp_path) -> None:
    result = train(tmp_path / "a", net(), steps=40, ema_std=0.12, ema_widths=(0.05, 0.1), ema_every=1)
    wanted = {name: tensor.detach() for name, tensor in result.model.named_parameters()}
    recombined = recombine(tmp_path / "a", 0.12, 40)
    assert recombined.keys() == wanted.keys()
    start = {name: tensor.detach() for name, tensor in net().named_parameters()}
    moved = max(float((wanted[name] - start[name]).abs().max()) for name in wanted)
    for name, tensor in recombined.items():
        assert float((tensor - wanted[name]).abs().max()) < 0.01 * moved
    of_width = dict(train(tmp_path / "b", net(), steps=40, ema_std=0.1).model.named_parameters())
    exact = recombine(tmp_path / "a", 0.1, 40)
    assert all(torch.equal(exact[name], of_width[name]) for name in exact)


def test_a_training_that_is_interrupted_keeps_the_snapshots_of_one_left_alone(tmp_path) -> None:
    class Stop(Exception):  # noqa: N818 - an interruption, not an error
        pass

    def stop(step: int, *_) -> None:
        if step == 13:
            raise Stop

    kept = {"ema_widths": (0.05, 0.1), "ema_every": 5, "checkpoint_every": 4}
    train(tmp_path / "alone", net(), **kept)
    with pytest.raises(Stop):
        train(tmp_path / "stopped", net(), on_step=stop, **kept)
    train(tmp_path / "stopped", net(), **kept)
    folders = [tmp_path / name / post_hoc_ema.FOLDER for name in ("alone", "stopped")]
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert len(files[0]) == 4


def test_what_cannot_be_recombined_is_said_in_one_line(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"has no snapshots of averages.*train with training\.ema_widths"):
        recombine(tmp_path, 0.1, 20)
    train(tmp_path, net(), ema_widths=(0.1,), ema_every=10)
    last = tmp_path / post_hoc_ema.FOLDER / f"{20:09d}.safetensors"
    last.write_bytes(last.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"000000020\.safetensors is damaged"):
        recombine(tmp_path, 0.2, 20)
    last.unlink()
    with pytest.raises(ValueError, match="no snapshots after step 20"):
        recombine(tmp_path, 0.2, 20)
    with pytest.raises(ValueError, match="its widths must increase"):
        TrainingSpec(ema_widths=(0.1, 0.05))
