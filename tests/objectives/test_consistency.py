"""Laws of consistency training: its boundary, its schedule, its map of one Gaussian, its sampler, and a run of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.support.one_gaussian import MEAN, SCALE, Map, drawn, flow
from zigbench.backbone import Geometry, build
from zigbench.interpolant import Interpolant
from zigbench.objectives.config import ConsistencyConfig
from zigbench.objectives.consistency import Consistency
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.sampling import Counted, sample
from zigbench.spec import RunSpec
from zigbench.spec.errors import SpecError

PATHS = pytest.mark.parametrize("path", ["linear", "gvp"])
RUN = {
    "objective.name": "consistency",
    "sampler.solver": "consistency",
    "sampler.steps": 2,
    "backbone.name": "dit",
    "backbone.patch": 4,
    "backbone.config.width": 16,
    "backbone.config.depth": 2,
    "data.name": "digits",
    "training.batch": 8,
    "training.steps": 20,
    "evaluation.metrics": ["kid_digits"],
    "evaluation.samples": 16,
}


@PATHS
def test_at_the_data_the_map_is_the_identity_whatever_the_network_says(path: str) -> None:
    network = build("dit", Geometry(1, 4, 4, 2), seed=0, width=16, depth=2)
    with torch.no_grad():
        network.head.bias.add_(3.0)
    part, objective = drawn(4), Consistency(ConsistencyConfig(), Interpolant(path))
    part.x, part.noise = (value.expand(4, 1, 4, 4).float() for value in (part.x, part.noise))
    ones = torch.ones(4, dtype=torch.float64)
    ends = objective.end(network, part.x, ones, part)
    torch.testing.assert_close(ends, part.x, rtol=0, atol=1e-6)
    assert float((objective.end(network, part.x, 0.5 * ones, part) - part.x).abs().max()) > 0.1


def test_the_schedule_goes_from_the_data_to_the_neighbouring_time() -> None:
    objective = Consistency(ConsistencyConfig(doubling=10), Interpolant())
    t = torch.tensor([0.0, 0.5, 0.9, 1.0], dtype=torch.float64)
    ratio = objective.ratio(t)
    assert ratio.tolist() == pytest.approx([80.0, 1.0, 1 / 9, 0.002])
    assert float(objective.later(ratio, 0)[1]) == 1.0
    # The third stage: 1 − (1 + 8 / (1 + e)) / 2³ = 0.60606, and r = 1 / (1 + s).
    assert float(objective.later(ratio, 20)[1]) == pytest.approx(1 / 1.60606, abs=1e-5)
    distances = [float(objective.later(ratio, step)[1]) - 0.5 for step in range(0, 100, 10)]
    assert all(later <= earlier for earlier, later in pairwise(distances))
    assert 0 < distances[-1] < 1e-2


@PATHS
def test_the_map_of_one_gaussian_is_learned(path: str) -> None:
    """From a wrong shift and slope, training returns to the closed form as the two times close up."""
    interpolant = Interpolant(path)
    objective = Consistency(ConsistencyConfig(doubling=40, huber=1.0), interpolant)
    network = Map(interpolant)
    with torch.no_grad():
        network.shift += 0.5
        network.slope -= 0.4
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    steps = 400
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / steps)
        part = drawn(512, seed=step)
        optimizer.zero_grad()
        loss = objective.loss(network, part, network=network, average=network, step=step, steps=steps)
        loss.mean().backward()
        optimizer.step()
    assert abs(float(network.shift)) < 0.05
    assert abs(float(network.slope)) < 0.05


@PATHS
def test_one_step_is_the_flow_and_several_keep_the_law(path: str) -> None:
    interpolant = Interpolant(path)
    noise = drawn(20_000).noise
    network = Counted(Map(interpolant))
    one = sample(network, interpolant, noise, solver="consistency", steps=1, generator=torch.Generator())
    zeros, ones = torch.zeros(20_000).double(), torch.ones(20_000).double()
    torch.testing.assert_close(one, flow(interpolant, noise, zeros, ones))
    four = sample(network, interpolant, noise, solver="consistency", steps=4, generator=torch.Generator())
    assert network.evaluations == 5
    assert float((four - one).abs().max()) > 0.1
    for x in (one, four):
        assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)
        assert float(x.std()) == pytest.approx(SCALE, abs=0.02)


def test_the_loss_is_finite_at_both_ends_of_time() -> None:
    part = drawn(3)
    part.t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    objective = Consistency(ConsistencyConfig(), Interpolant())
    network = Map(objective.interpolant)
    for step in (0, 100_000):
        loss = objective.loss(network, part, network=network, average=network, step=step, steps=1)
        gradients = torch.autograd.grad(loss.sum(), list(network.parameters()))
        assert bool(loss.isfinite().all())
        assert all(bool(gradient.isfinite()) for gradient in gradients)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sampler.solver": "euler"}, "take 'consistency'"),
        ({"objective.name": "interpolant"}, "samples networks of the objective 'consistency'"),
        ({"interpolant.path": "vp"}, "take 'linear' or 'gvp'"),
        ({"evaluation.metrics": ["held_out_loss"]}, "take metrics of samples"),
        ({"backbone.config.times": 2}, "set it to 1"),
    ],
)
def test_impossible_runs_are_faults(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        RunSpec.parse({**RUN, **changes})


def test_a_run_trains_and_samples(tmp_path: Path) -> None:
    spec = RunSpec.parse({**RUN, "objective.config.doubling": 5})
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert record.status == "ok", record.error
    assert {"kid_digits", "training_loss"} <= {one.name for one in record.measurements}
