"""Laws of MeanFlow: its identity, its closed form on one Gaussian, its guidance, and a training of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.one_gaussian import Exact, Part, drawn, flow
from zigbench.backbone import Geometry, build
from zigbench.check import check
from zigbench.interpolant import Interpolant
from zigbench.objectives.config import MeanFlowConfig
from zigbench.objectives.mean_flow import MeanFlow
from zigbench.objectives.tangent import total_derivative
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.sampling import Counted, sample
from zigbench.spec import RunSpec
from zigbench.spec.errors import SpecError

GEOMETRY = Geometry(1, 4, 4, 2, classes=3)
SMALL = {"width": 16, "depth": 2, "times": 2, "time": "unit"}
FAMILIES = ("zigma", "vision-mamba", "bidirectional", "parallel", "dit", "u-vit", "dis", "dim")
RUN = {
    "objective.name": "mean-flow",
    "sampler.solver": "mean-flow",
    "sampler.steps": 1,
    "backbone.name": "zigma",
    "backbone.patch": 4,
    **{f"backbone.config.{key}": value for key, value in SMALL.items()},
    "data.name": "digits",
    "training.batch": 8,
    "training.steps": 20,
    "evaluation.metrics": ["kid_digits"],
    "evaluation.samples": 16,
}


def moved(family: str, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """A network with noise in its parameters, so that all of its layers act."""
    network = build(family, GEOMETRY, seed=0, **SMALL)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network.to(dtype)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_derivative_along_the_flow_is_the_difference_quotient(family: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, velocity = torch.randn(2, 3, *GEOMETRY.sample_shape, generator=generator, dtype=torch.float64)
    t, end = torch.tensor([0.1, 0.5, 0.8]).double(), torch.tensor([0.9, 0.6, 0.8]).double()
    fixed = {"end": end, "label": torch.tensor([0, 2, -1])}
    network = moved(family, torch.float64)
    h = 1e-5
    with torch.no_grad():
        ahead, behind = (network(x + s * velocity, t + s, **fixed) for s in (h, -h))
    exact = (ahead - behind) / (2 * h)
    torch.testing.assert_close(total_derivative(network, x, t, velocity, **fixed), exact, rtol=1e-5, atol=1e-6)
    single = moved(family)
    found = total_derivative(single, x.float(), t.float(), velocity.float(), end=end.float(), label=fixed["label"])
    assert float((found - exact).abs().max() / exact.abs().max()) < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_of_intervals_keeps_the_contract(family: str) -> None:
    results = check(family, config={"width": 16, "depth": 2, "times": 2})
    assert not [result for result in results if result.status == "failed"]
    for law in ("depends on the end of an interval", "derivative in forward mode"):
        assert {result.status for result in results if result.name == law} == {"passed"}


class Rounded(torch.autograd.Function):
    """An operation that has no rule for tangents."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        return x.round()

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


def test_a_network_without_tangents_is_one_line() -> None:
    class Jagged(torch.nn.Module):
        def forward(self, x, t, *, end):
            return Rounded.apply(x)

    x, t = torch.randn(2, 1, 4, 4), torch.rand(2)
    with pytest.raises(ValueError, match=r"^Jagged has no derivative in forward mode, .* autograd\.Function.*\.$"):
        total_derivative(Jagged(), x, t, x, end=t)


def test_an_interval_without_length_is_the_moment() -> None:
    network = moved("zigma")
    x, t = torch.randn(2, *GEOMETRY.sample_shape), torch.tensor([0.2, 0.7])
    torch.testing.assert_close(network(x, t), network(x, t, end=t))
    with pytest.raises(ValueError, match="built with times = 1"):
        build("zigma", GEOMETRY, width=16, depth=2)(x, t, end=t)


@pytest.mark.parametrize("path", ["linear", "gvp"])
def test_one_step_crosses_the_flow_of_one_gaussian(path: str) -> None:
    interpolant = Interpolant(path)
    noise = drawn(5).noise
    network = Counted(Exact(interpolant))
    for steps in (1, 3):
        x = sample(network, interpolant, noise, solver="mean-flow", steps=steps)
        torch.testing.assert_close(x, flow(interpolant, noise, torch.zeros(5).double(), torch.ones(5).double()))
    assert network.evaluations == 4


@pytest.mark.parametrize("path", ["linear", "gvp"])
def test_the_mean_velocity_satisfies_the_identity(path: str) -> None:
    """u = v + (r − t) du/dt with the velocity of the flow itself."""
    interpolant, part = Interpolant(path), drawn(50)
    network, x = Exact(interpolant), part.noise
    with torch.no_grad():
        h = 1e-6
        velocity = (flow(interpolant, x, part.t, part.t + h) - flow(interpolant, x, part.t, part.t - h)) / (2 * h)
        derivative = total_derivative(network, x, part.t, velocity, end=part.end)
        right = velocity + (part.end - part.t).reshape(-1, 1, 1, 1) * derivative
        torch.testing.assert_close(network(x, part.t, end=part.end), right, rtol=1e-6, atol=1e-6)


def test_without_length_the_loss_is_that_of_the_velocity() -> None:
    interpolant, part = Interpolant(), drawn(7)
    part.end = part.t
    network = Exact(interpolant)
    objective = MeanFlow(MeanFlowConfig(power=0), interpolant)
    loss = objective.loss(network, part, network=network, average=network, step=0, steps=1)
    torch.testing.assert_close(loss, interpolant.loss(network, part.x, noise=part.noise, t=part.t))
    weighted = MeanFlow(MeanFlowConfig(), interpolant).loss(
        network, part, network=network, average=network, step=0, steps=1
    )
    torch.testing.assert_close(weighted, loss / (loss + 1e-3))


def test_guidance_inside_moves_the_target_and_spares_samples_without_condition() -> None:
    """At equal ends: the target is ω v + κ u(c) + (1 − ω − κ) u(∅), and v where the label was dropped."""
    interpolant, network = Interpolant(), moved("zigma")
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 3, *GEOMETRY.sample_shape, generator=generator)
    t, label = torch.tensor([0.2, 0.5, 0.8]), torch.tensor([0, 2, -1])
    part = Part(x, noise, t, t, label)
    objective = MeanFlow(MeanFlowConfig(guidance=2.0, mixing=0.3, power=0), interpolant)
    loss = objective.loss(network, part, network=network, average=network, step=0, steps=1)
    state = interpolant.interpolate(x, noise, t)
    with torch.no_grad():
        own, free = network(state, t, label=label), network(state, t)
        target = 2.0 * (x - noise) + 0.3 * own + (1 - 2.0 - 0.3) * free
        target[2] = (x - noise)[2]
    torch.testing.assert_close(loss, (own - target).square().flatten(1).sum(1), rtol=1e-4, atol=1e-4)


def test_times_are_ordered_and_a_share_of_them_apart() -> None:
    objective = MeanFlow(MeanFlowConfig(intervals=0.25), Interpolant(time="logit-normal"))
    t, generator = torch.rand(10_000), torch.Generator().manual_seed(0)
    first, last = objective.times(t, generator)
    assert bool((last >= first).all())
    assert float((last > first).float().mean()) == pytest.approx(0.25, abs=0.02)
    again = objective.times(t, torch.Generator().manual_seed(0))
    assert torch.equal(again[0], first)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone.config.times": 1}, "trains networks of 2 time input"),
        ({"interpolant.path": "vp"}, "take 'linear' or 'gvp'"),
        ({"interpolant.prediction": "noise"}, "'mean-flow' is not defined for it"),
        (
            {"objective.name": "interpolant", "backbone.config.times": 1},
            "samples networks of the objective 'mean-flow'",
        ),
        ({"objective.config.guidance": 2.0, "backbone.config.label_dropout": 0}, "set label_dropout above 0"),
    ],
)
def test_impossible_runs_are_faults(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        RunSpec.parse({**RUN, **changes})


def test_a_run_trains_resumes_and_samples_in_one_step(tmp_path: Path) -> None:
    spec = RunSpec.parse({**RUN, "objective.config.guidance": 1.5, "training.checkpoint_every": 10})
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert record.status == "ok", record.error
    assert {"kid_digits", "training_loss"} <= {one.name for one in record.measurements}
