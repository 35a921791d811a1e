"""Log-likelihood by the instantaneous change of variables.

Along the probability flow d/dt log p_t(x_t) = −∇·v(x_t, t); Chen et al., "Neural ordinary differential equations"
(2018), theorem 1. So log p₁(x₁) = log p₀(x₀) − ∫₀¹ ∇·v dt with p₀ = N(0, σ₀² I), x₀ found by following the flow
back. The divergence is exact (one backward pass per number in a sample) or Hutchinson's estimate zᵀ(∂v/∂x)z with
one Rademacher probe z per sample for the whole solve: Grathwohl et al., "FFJORD" (2019), section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from zigbench.interpolant.interpolant import Interpolant, Model
from zigbench.interpolant.options import choose, unknown
from zigbench.sampling import grid
from zigbench.sampling.field import Field
from zigbench.sampling.guidance import Guidance
from zigbench.sampling.random import increments
from zigbench.sampling.sampler import SOLVERS, check_steps
from zigbench.sampling.solvers import dopri5, runge_kutta

TRACES = ("exact", "hutchinson")
"""The methods of computing the divergence."""


@dataclass(frozen=True)
class Likelihood:
    """The result of a solve.

    Attributes:
        log_prob: (B,), nats, of the data as given.
        noise: (B, …), the end of the flow from each datum, divided by σ₀.
    """

    log_prob: Tensor
    noise: Tensor

    def bits_per_dimension(self, levels: int = 256) -> Tensor:
        """Return (B,) bits per number for data in [-1, 1] that were ``levels`` integers, uniformly dequantised."""
        dimension = self.noise[0].numel()
        return -self.log_prob / (dimension * math.log(2)) + math.log2(levels / 2)


@dataclass(frozen=True)
class _Carried:
    """The flow of (x, ∫∇·v), packed as (B, D + 1)."""

    field: Field
    shape: torch.Size
    probe: Tensor | None

    def velocity(self, packed: Tensor, t: float) -> Tensor:
        with torch.enable_grad():
            x = packed[:, :-1].reshape(self.shape).detach().requires_grad_()
            velocity = self.field.velocity(x, t)
            divergence = _exact(velocity, x) if self.probe is None else _estimate(velocity, x, self.probe)
        return torch.cat([velocity.detach().flatten(1), divergence.detach()[:, None]], 1)


def _gradient(value: Tensor, x: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return ∂(weight · value)/∂x, 0 where the value does not depend on x; the graph is kept."""
    if not value.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(value, x, weight, retain_graph=True, materialize_grads=True)
    return gradient


def _exact(velocity: Tensor, x: Tensor) -> Tensor:
    """Trace of ∂v/∂x of each sample, (B,)."""
    flat = velocity.flatten(1)
    rows = [_gradient(flat[:, i].sum(), x).flatten(1)[:, i] for i in range(flat.shape[1])]
    return torch.stack(rows).sum(0)


def _estimate(velocity: Tensor, x: Tensor, probe: Tensor) -> Tensor:
    """Return zᵀ(∂v/∂x)z of each sample, (B,)."""
    return (_gradient(velocity, x, probe) * probe).flatten(1).sum(1)


@torch.no_grad()
def likelihood(
    model: Model,
    interpolant: Interpolant,
    data: Tensor,
    *,
    trace: str = "hutchinson",
    solver: str = "dopri5",
    steps: int = 50,
    label: Tensor | None = None,
    context: Tensor | None = None,
    generator: Generator | Sequence[int] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> Likelihood:
    """Return the log-likelihood of ``data`` under the probability flow of the network.

    Args:
        model: the network, differentiable in x and independent from sample to sample.
        interpolant: the interpolant of its training.
        data: (B, C, H, W) or (B, T, C, H, W). On a path that keeps noise at t = 1 (VE) it is the likelihood of the
            data with that noise.
        trace: "exact" or "hutchinson".
        solver: dopri5, or a fixed-step one of ``steps`` steps: euler, heun, midpoint, rk4.
        label, context: arguments of the network, which is not guided: a guided field has no likelihood of a model.
        generator: source of Hutchinson's probes: one generator, or one seed per sample.
        rtol, atol: tolerances of dopri5.

    Raises:
        ValueError: a solver that does not follow the probability flow, no step, or no generator for Hutchinson.
    """
    choose("trace", trace, dict.fromkeys(TRACES))
    allowed = (*runge_kutta.STEPS, "dopri5")
    if solver in SOLVERS and solver not in allowed:
        raise ValueError(
            f"no likelihood with the solver {solver!r}: the change of variables follows the probability flow "
            f"dx/dt = v step by step; use one of {', '.join(allowed)}"
        )
    if solver not in allowed:
        raise unknown("likelihood solver", solver, allowed)
    check_steps(steps)
    if trace == "hutchinson" and generator is None:
        raise ValueError("Hutchinson's estimate draws probes: give a generator or seeds, or use trace='exact'")
    x = data.to(torch.promote_types(data.dtype, torch.float32))
    probe = None
    if trace == "hutchinson":
        assert generator is not None
        draw = increments(generator, len(x))(x)
        probe = torch.where(draw < 0, -torch.ones_like(draw), torch.ones_like(draw))
    field = Field(model, interpolant, Guidance(), data.dtype, label, context)
    flow = _Carried(field, x.shape, probe)
    start = torch.cat([x.flatten(1), torch.zeros_like(x.flatten(1)[:, :1])], 1)
    backward = grid.uniform(steps)[::-1]
    if solver == "dopri5":
        end = dopri5.integrate(flow, start, backward, rtol, atol)
    else:
        end = runge_kutta.integrate(flow, start, backward, solver)
    sigma = float(interpolant.state(0.0).sigma)
    noise = end[:, :-1] / sigma
    dimension = noise.shape[1]
    log_base = -0.5 * noise.square().sum(1) - dimension * math.log(sigma * math.sqrt(2 * math.pi))
    return Likelihood(log_base + end[:, -1], noise.reshape(x.shape))
