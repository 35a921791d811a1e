"""Objectives against closed forms: on one Gaussian, and reflow's straightness on a mixture of two."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from zigbench.interpolant import Interpolant
from zigbench.objectives import config as configs
from zigbench.objectives.consistency import Consistency, ConsistencyDistillation
from zigbench.objectives.denoising_score import DenoisingScore
from zigbench.objectives.interpolant import InterpolantObjective
from zigbench.objectives.mean_flow import MeanFlow
from zigbench.objectives.progressive_distillation import ProgressiveDistillation
from zigbench.objectives.reflow import Reflow
from zigbench.objectives.tangent import total_derivative
from zigbench.sampling import sample

from ..one_gaussian import MEAN, SCALE, Exact, Map, Part, Straight, Velocity, drawn, flow
from .row import GAUSSIAN, MIXTURE, closed_form, largest, normal


def _loss(objective, network, part: Part) -> Tensor:
    return objective.loss(network, part, network=network, average=network, step=0, steps=1)


@closed_form("objective", "interpolant", "the exact velocity's loss is the variance of a line's velocity given x", 0.02)
def _interpolant() -> float:
    interpolant, part = Interpolant(), drawn(200_000)
    loss = _loss(InterpolantObjective(configs.InterpolantConfig(), interpolant), Velocity(interpolant), part)
    state = interpolant.state(part.t)
    total = (state.alpha * SCALE) ** 2 + state.sigma**2
    shared = state.alpha * state.dalpha * SCALE**2 + state.sigma * state.dsigma
    variance = (state.dalpha * SCALE) ** 2 + state.dsigma**2 - shared**2 / total
    return abs(float(loss.mean() / variance.mean()) - 1)


@closed_form("objective", "mean-flow", "u = v + (r − t) du/dt, the derivative in forward mode", 1e-6)
def _mean_flow() -> float:
    interpolant, part = Interpolant("gvp"), drawn(50)
    network, x, h = Exact(interpolant), part.noise, 1e-6
    velocity = (flow(interpolant, x, part.t, part.t + h) - flow(interpolant, x, part.t, part.t - h)) / (2 * h)
    derivative = total_derivative(network, x, part.t, velocity, end=part.end)
    right = velocity + (part.end - part.t).reshape(-1, 1, 1, 1) * derivative
    return largest(network(x, part.t, end=part.end), right)


@closed_form("objective", "mean-flow", "at the mean velocity the gradient of the loss is 0", 0.02)
def _mean_flow_stationary() -> float:
    network = Exact(Interpolant())
    _loss(MeanFlow(configs.MeanFlowConfig(power=0), Interpolant()), network, drawn(200_000)).mean().backward()
    return max(abs(float(parameter.grad)) for parameter in network.parameters())


@closed_form("objective", "consistency", "at the data the map is the identity whatever the network says", 1e-12)
def _consistency_boundary() -> float:
    part = drawn(50)
    objective = Consistency(configs.ConsistencyConfig(), Interpolant("gvp"))
    return largest(objective.end(lambda x, t, **_: 3 + 0 * x, part.x, torch.ones(50).double(), part), part.x)


@closed_form("objective", "consistency", "trained from a wrong shift and slope, the map is x₀ ↦ m + s x₀", 0.05)
def _consistency() -> float:
    interpolant = Interpolant()
    objective, network = Consistency(configs.ConsistencyConfig(doubling=40, huber=1.0), interpolant), Map(interpolant)
    with torch.no_grad():
        network.shift += 0.5
        network.slope -= 0.4
    optimizer, steps = torch.optim.Adam(network.parameters(), lr=0.02), 400
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / steps)
        optimizer.zero_grad()
        part = drawn(512, seed=step)
        objective.loss(network, part, network=network, average=network, step=step, steps=steps).mean().backward()
        optimizer.step()
    return max(abs(float(parameter.detach())) for parameter in network.parameters())


@closed_form("objective", "consistency-distillation", "neighbours on the teacher's flow have one end", 5e-3)
def _consistency_distillation() -> float:
    interpolant, part = Interpolant(), drawn(64)
    config = configs.ConsistencyDistillationConfig(points=200)
    objective = ConsistencyDistillation(config, interpolant, Velocity(interpolant))
    x, later = interpolant.interpolate(part.x, part.noise, part.t), objective.later(objective.ratio(part.t), 0)
    exact = Map(interpolant)
    ahead = objective.ahead(x, part.t, later, part)
    return largest(objective.end(exact, x, part.t, part), objective.end(exact, ahead, later, part))


@closed_form("objective", "reflow", "one Euler step of a straight flow is exact", 1e-12)
def _reflow() -> float:
    noise = drawn(64).noise
    return largest(sample(Straight(), Interpolant(), noise, steps=1), MEAN + SCALE * noise)


@closed_form(
    "objective", "reflow", "a straight flow has no loss but that of the teacher's steps, at 32 of Heun's", 1e-6
)
def _reflow_loss() -> float:
    objective = Reflow(configs.ReflowConfig(steps=32), Interpolant(), Velocity(Interpolant()))
    return float(_loss(objective, Straight(), drawn(64)).max().detach())


class _Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = ((3, 64), (64, 64), (64, 2))
        layers = [layer for pair in sizes for layer in (nn.Linear(*pair), nn.SiLU())]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor, t: Tensor, *, label=None, context=None) -> Tensor:
        return self.layers(torch.cat([x.flatten(1), t[:, None].to(x)], 1)).reshape(x.shape)


@torch.no_grad()
def straightness(network, x: Tensor, steps: int = 32) -> float:
    """Return ∫ E ‖(x₁ − x₀) − v(x_t, t)‖² dt along a flow; Liu et al. (2022), section 2: 0 if it is straight."""
    start, velocities = x, []
    for k in range(steps):
        t = torch.full((len(x),), k / steps)
        velocities.append(network(x, t))
        ahead = network(x + velocities[-1] / steps, t + 1 / steps)
        x = x + (velocities[-1] + ahead) / (2 * steps)
    return float((torch.stack(velocities) - (x - start)).square().sum(-1).mean())


@closed_form("objective", "reflow", "each time, the straightness that is left over that before, on a mixture", 0.8)
def _reflow_straightness() -> float:
    interpolant, noise = Interpolant(), normal(2_000, 1, 1, 1, 2).float()
    teacher: Callable[..., Tensor] = MIXTURE.model(interpolant)
    left = [straightness(teacher, noise)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        student = _Perceptron()
    for _ in range(2):
        student = copy.deepcopy(student)
        objective = Reflow(configs.ReflowConfig(steps=8), interpolant, teacher)
        optimizer, steps = torch.optim.Adam(student.parameters(), lr=3e-3), 1_000
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / steps)
            generator = Generator().manual_seed(step)
            x = torch.randn(256, 1, 1, 2, generator=generator)
            optimizer.zero_grad()
            _loss(objective, student, Part(x, x, torch.rand(256, generator=generator))).mean().backward()
            optimizer.step()
        teacher = student
        left.append(straightness(student, noise))
    return max(after / before for before, after in pairwise(left))


@closed_form("objective", "progressive-distillation", "a student's step ends where two of its teacher's do", 1e-12)
def _progressive_distillation() -> float:
    interpolant, part = Interpolant("gvp"), drawn(64)
    teacher = Velocity(interpolant)
    objective = ProgressiveDistillation(configs.ProgressiveDistillationConfig(steps=4), interpolant, teacher)
    times, here, there = torch.full((64,), 0.25).double(), interpolant.state(0.25), interpolant.state(0.5)
    x = interpolant.interpolate(part.x, part.noise, times)
    datum = objective.target(x, times, part)
    step = there.alpha * datum + there.sigma * (x - here.alpha * datum) / here.sigma
    return largest(step, sample(teacher, interpolant, x / here.sigma, solver="ddim", times=[0.25, 0.375, 0.5]))


@closed_form("objective", "denoising-score", "the score's loss is the variance of the noise given x", 0.02)
def _denoising_score() -> float:
    interpolant, part = Interpolant("ve", "score", sigma_max=2.0), drawn(200_000)
    objective = DenoisingScore(configs.DenoisingScoreConfig(levels=4), interpolant)
    part.t, _ = objective.times(part.t, Generator())
    sigma = interpolant.state(part.t).sigma
    variance = SCALE**2 / (SCALE**2 + sigma**2)
    return abs(float(_loss(objective, GAUSSIAN.model(interpolant), part).mean() / variance.mean()) - 1)
