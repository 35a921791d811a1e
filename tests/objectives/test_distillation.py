"""Laws of objectives that follow a teacher, on the exact flow of one Gaussian, and a chain of runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.support.one_gaussian import MEAN, SCALE, Map, Straight, Velocity, drawn, flow
from zigbench.interpolant import Interpolant
from zigbench.objectives.config import (
    ConsistencyConfig,
    ConsistencyDistillationConfig,
    ProgressiveDistillationConfig,
    ReflowConfig,
)
from zigbench.objectives.consistency import Consistency, ConsistencyDistillation
from zigbench.objectives.progressive_distillation import ProgressiveDistillation
from zigbench.objectives.reflow import Reflow
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.sampling import sample
from zigbench.spec import RunSpec
from zigbench.spec.errors import SpecError

PATHS = pytest.mark.parametrize("path", ["linear", "gvp"])
BASE = {
    "backbone.name": "dit",
    "backbone.patch": 4,
    "backbone.config.width": 16,
    "backbone.config.depth": 2,
    "data.name": "digits",
    "training.batch": 8,
    "training.steps": 6,
    "evaluation.metrics": ["kid_digits"],
    "evaluation.samples": 16,
    "sampler.steps": 2,
}


def loss(objective, network: nn.Module, part) -> Tensor:
    return objective.loss(network, part, network=network, average=network, step=0, steps=1)


def test_a_straight_flow_is_the_fixed_point_of_reflow_and_one_euler_step_crosses_it() -> None:
    interpolant, part, student = Interpolant(), drawn(64), Straight()
    errors = {}
    for steps in (8, 32):
        objective = Reflow(ReflowConfig(steps=steps), interpolant, Velocity(interpolant))
        errors[steps] = float(loss(objective, student, part).max())
    # Only the error of Heun's steps is left, of order 2, and it enters squared.
    assert errors[8] < 1e-3
    assert errors[32] < errors[8] / 100
    one = sample(student, interpolant, part.noise, steps=1)
    torch.testing.assert_close(one, MEAN + SCALE * part.noise)
    with torch.no_grad():
        student.shift += 0.1
    assert float(loss(objective, student, part).mean()) == pytest.approx(0.01, rel=0.05)


@PATHS
def test_neighbours_on_the_flow_of_a_teacher_have_one_end(path: str) -> None:
    interpolant, part = Interpolant(path), drawn(64)
    config = ConsistencyDistillationConfig(points=200, huber=1.0)
    objective = ConsistencyDistillation(config, interpolant, Velocity(interpolant))
    exact, wrong = Map(interpolant), Map(interpolant)
    with torch.no_grad():
        wrong.slope += 0.1
    assert float(loss(objective, exact, part).mean()) < 1e-4 * float(loss(objective, wrong, part).mean())
    ratio = torch.tensor([80.0, 0.0021], dtype=torch.float64)
    later = objective.later(ratio, 0)
    assert float(-interpolant.path.log_snr(later[:1])) == pytest.approx(float(ratio[0].log()) - 10.597 / 200, abs=1e-3)
    assert float(later[1]) == 1.0


@PATHS
def test_a_students_step_is_two_of_its_teachers(path: str) -> None:
    interpolant, part = Interpolant(path), drawn(64)
    teacher = Velocity(interpolant)
    objective = ProgressiveDistillation(ProgressiveDistillationConfig(steps=4), interpolant, teacher)
    part.t, _ = objective.times(part.t, torch.Generator())
    assert set(part.t.tolist()) <= {0.0, 0.25, 0.5, 0.75}
    for t in (0.0, 0.25, 0.75):
        times = torch.full((64,), t, dtype=torch.float64)
        x = interpolant.interpolate(part.x, part.noise, times)
        datum = objective.target(x, times, part)
        here, there = interpolant.state(t), interpolant.state(t + 0.25)
        step = there.alpha * datum + there.sigma * (x - here.alpha * datum) / here.sigma
        twice = x
        for start in (t, t + 0.125):
            now, then = interpolant.state(start), interpolant.state(start + 0.125)
            at = torch.full((64,), start, dtype=torch.float64)
            data = interpolant.data(teacher(twice, at), twice, at)
            twice = then.alpha * data + then.sigma * (twice - now.alpha * data) / now.sigma
        torch.testing.assert_close(step, twice)
    assert float(loss(objective, teacher, part).mean()) > 1e-5  # One step of the teacher is not two.


def test_the_ends_of_the_teachers_flow_are_exact() -> None:
    """The closed forms of this file agree: the velocity integrates to the flow."""
    interpolant, noise = Interpolant("gvp"), drawn(16).noise
    x = sample(Velocity(interpolant), interpolant, noise, solver="rk4", steps=200)
    torch.testing.assert_close(
        x, flow(interpolant, noise, torch.zeros(16).double(), torch.ones(16).double()), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective.name": "reflow"}, "follows a trained network; set it to run:ID"),
        ({"objective.name": "consistency", "objective.teacher": f"run:{'0' * 16}"}, "follows none; leave it out"),
        (
            {"objective.name": "reflow", "interpolant.path": "gvp", "objective.teacher": f"run:{'0' * 16}"},
            "take 'linear'",
        ),
    ],
)
def test_impossible_teachers_are_faults(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        RunSpec.parse({**BASE, **changes})


def test_students_follow_the_run_that_they_name(tmp_path: Path) -> None:
    def run(**changes: object):
        spec = RunSpec.parse({**BASE, **{key.replace("__", "."): value for key, value in changes.items()}})
        folder = RunFolder.of(spec, tmp_path / "runs")
        folder.submit(spec)
        return spec, execute(folder, cache=tmp_path / "cache", device="cpu")

    teacher, record = run()
    assert record.status == "ok", record.error
    named = f"run:{teacher.id}"
    for name, solver in (("reflow", "euler"), ("progressive-distillation", "ddim")):
        spec, record = run(objective__name=name, objective__teacher=named, sampler__solver=solver)
        assert spec.needs == (teacher.id,)
        assert record.status == "ok", record.error
    name = "consistency-distillation"
    student, record = run(objective__name=name, objective__teacher=named, sampler__solver="consistency")
    assert record.status == "ok", record.error
    _, record = run(objective__name="reflow", objective__teacher=f"run:{student.id}")
    assert "no student can follow" in record.error.message
    _, record = run(objective__name="reflow", objective__teacher=named, backbone__config__depth=3)
    assert "objective.teacher: the weights" in record.error.message
    _, record = run(objective__name="progressive-distillation", objective__teacher=named, interpolant__path="gvp")
    assert "take the teacher's" in record.error.message


@pytest.mark.parametrize(
    ("objective", "config"),
    [
        (Consistency, ConsistencyConfig()),
        (ConsistencyDistillation, ConsistencyDistillationConfig()),
        (Reflow, ReflowConfig(steps=5)),
        (ProgressiveDistillation, ProgressiveDistillationConfig()),
    ],
)
def test_the_declared_cost_of_a_step_is_the_passes_it_takes(objective, config) -> None:
    interpolant, part = Interpolant(), drawn(4)
    part.t, _ = objective(config, interpolant).times(part.t, torch.Generator())
    calls = []

    def counted(network: nn.Module) -> nn.Module:
        network.register_forward_hook(lambda *_: calls.append(1))
        return network

    loss(objective(config, interpolant, counted(Velocity(interpolant))), counted(Velocity(interpolant)), part)
    assert len(calls) == 1 + config.further_evaluations
