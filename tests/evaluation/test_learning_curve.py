"""Metrics along a training: the same values as an evaluation of the same weights, one set a step."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from zigbench.evaluation.context import SHOWN
from zigbench.evaluation.learning_curve import LearningCurve
from zigbench.evaluation.measure import evaluate
from zigbench.interpolant import Interpolant
from zigbench.records.collect import frame, wide
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.spec import RunSpec
from zigbench.spec.errors import SpecError

METRICS = ["held_out_loss", "frechet_random", "recognised"]


def test_each_step_is_measured_as_a_finished_network_of_these_weights_would_be(
    network, digits, make_spec, tmp_path, cache
) -> None:
    spec = make_spec(evaluation__metrics=METRICS, evaluation__at=[2, 5], training__steps=9)
    curve = LearningCurve(Interpolant(), digits, spec, tmp_path, cache)
    assert curve.steps == (2, 5)
    later = copy.deepcopy(network)
    later.outer.bias.data += 0.5
    for step, model in ((5, later), (2, network)):
        curve.measure(step, model.eval())
    found = LearningCurve(Interpolant(), digits, spec, tmp_path, cache).measurements()
    assert [(m.step, m.name) for m in found] == [(step, name) for step in (2, 5) for name in METRICS]
    for step, model in ((2, network), (5, later)):
        folder = tmp_path / f"finished-{step}"
        finished = {m.name: m for m in evaluate(model, Interpolant(), digits, spec, folder=folder, cache=cache)}
        for m in found:
            if m.step == step:
                assert m.model_copy(update={"step": None}) == finished[m.name]
    kept = {path.name for path in tmp_path.iterdir() if path.suffix or path.name == "learning_curve"}
    assert kept == {"learning_curve.json", "samples-2.npy", "samples-5.npy"}
    for step in (2, 5):
        along, finished = np.load(tmp_path / f"samples-{step}.npy"), np.load(tmp_path / f"finished-{step}/samples.npy")
        assert len(along) == min(SHOWN, spec.evaluation.preview, spec.evaluation.samples)
        assert np.array_equal(along, finished[: len(along)])  # The noise of sample i is the same at each step.


def test_samples_are_kept_along_the_training_also_where_no_metric_needs_any(
    network, digits, make_spec, tmp_path, cache
) -> None:
    wanted = {"evaluation__metrics": ["held_out_loss"], "evaluation__at": [1], "training__steps": 2}
    for preview, shown in ((4, 4), (64, SHOWN), (0, 0)):
        folder = tmp_path / str(preview)
        folder.mkdir()
        spec = make_spec(**wanted, evaluation__preview=preview, evaluation__samples=64)
        LearningCurve(Interpolant(), digits, spec, folder, cache).measure(1, network.eval())
        files = list(folder.glob("samples-*.npy"))
        assert [len(np.load(file)) for file in files] == [shown] * bool(shown)


def test_passing_a_step_again_replaces_its_values(network, digits, make_spec, tmp_path, cache) -> None:
    spec = make_spec(evaluation__metrics=["held_out_loss"], evaluation__at=[1], training__steps=2)
    curve = LearningCurve(Interpolant(), digits, spec, tmp_path, cache)
    curve.measure(1, network.eval())
    (first,) = curve.measurements()
    network.outer.bias.data += 1
    curve.measure(1, network)
    (second,) = curve.measurements()
    assert first.value < second.value


def test_the_last_step_is_the_evaluation_itself_and_nothing_is_measured_without_metrics(
    digits, make_spec, tmp_path, cache
) -> None:
    spec = make_spec(evaluation__metrics=["held_out_loss"], evaluation__at=[1, 4, 8, 16], training__steps=8)
    assert LearningCurve(Interpolant(), digits, spec, tmp_path, cache).steps == (1, 4)
    spec = make_spec(evaluation__at=[1, 4], training__steps=8)
    assert LearningCurve(Interpolant(), digits, spec, tmp_path, cache).steps == ()


def test_the_steps_are_part_of_the_id_and_must_increase(make_spec) -> None:
    assert "at" not in make_spec().resolved()["evaluation"]
    assert make_spec(evaluation__at=[]).id == make_spec().id != make_spec(evaluation__at=[15, 30]).id
    with pytest.raises(SpecError, match=r"evaluation.at = .*steps must increase"):
        make_spec(evaluation__at=[30, 15])


def test_a_run_records_its_curve_before_its_own_figures(tiny, tmp_path) -> None:
    """And the averaged weights after 2 steps at a constant rate are those of a run of 2 steps."""
    tiny |= {"evaluation.metrics": ["held_out_loss"], "evaluation.held_out": 32, "optimizer.schedule": "constant"}
    records = []
    for steps, at in ((4, (1, 2, 4)), (2, ())):
        spec = RunSpec.parse({**tiny, "training.steps": steps, "evaluation.at": at})
        folder = RunFolder.of(spec, tmp_path / "runs")
        folder.submit(spec)
        records.append(execute(folder, cache=tmp_path / "cache", device="cpu"))
    figures = [m for m in records[0].measurements if m.name == "held_out_loss"]
    assert [m.step for m in figures] == [1, 2, None]
    (short,) = (m for m in records[1].measurements if m.name == "held_out_loss")
    assert figures[1].model_copy(update={"step": None}) == short
    rows = frame(tmp_path / "runs")
    assert wide(rows).loc[records[0].id, "held_out_loss"] == figures[2].value
