"""Each solver's order, against the exact flow of a Gaussian on every path."""

from __future__ import annotations

import pytest
import torch

from tests.support.convergence import convergence, order
from tests.support.gaussian_mixture import GaussianMixture
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.sampling import DIFFUSIONS, SOLVERS, Counted, Sampler, sample
from zigbench.sampling.solvers import dopri5

ORDERS = {
    "euler": 1,
    "heun": 2,
    "midpoint": 2,
    "rk4": 4,
    "ddim": 1,
    "dpm-solver-1": 1,
    "dpm-solver-2": 2,
    "dpm-solver++-1": 1,
    "dpm-solver++-2": 2,
    "euler-maruyama": 1,
    "stochastic-heun": 2,
    "ddpm": 1,
}


def sampler(solver: str, **options: str) -> Sampler:
    if solver in ("euler-maruyama", "stochastic-heun"):
        options["last_step"] = "none"
    return Sampler(solver=solver, **options)


def test_every_fixed_step_solver_has_an_order():
    assert set(ORDERS) == set(SOLVERS) - {"dopri5"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("solver", ORDERS)
def test_order(path: str, solver: str):
    # The two-step method begins with a step of first order, which takes longest to fade.
    steps = (128, 320) if solver == "dpm-solver++-2" else (32, 80)
    points = convergence(sampler(solver), Interpolant(path), steps)
    # A leading term may cancel on one path or another; midpoint so gains a whole order by symmetry.
    assert ORDERS[solver] - 0.25 < order(points) < ORDERS[solver] + (1.1 if solver == "midpoint" else 0.4)


@pytest.mark.parametrize("diffusion", DIFFUSIONS)
def test_every_diffusion_form_converges_to_the_same_distribution(diffusion: str):
    coarse, fine = convergence(sampler("stochastic-heun", diffusion=diffusion), Interpolant("gvp"), (40, 160))
    assert fine.error < coarse.error / 12
    assert fine.error < 1e-3


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_error_does_not_depend_on_the_prediction(prediction: str):
    for solver in ("heun", "dpm-solver++-2"):
        (reference,) = convergence(sampler(solver), Interpolant("vp"), [32])
        (point,) = convergence(sampler(solver), Interpolant("vp", prediction), [32])
        assert point.error == pytest.approx(reference.error, rel=1e-4)


def test_the_order_of_a_power_law_is_its_exponent():
    points = convergence(sampler("rk4"), Interpolant("linear"), (16, 32))
    ratio = points[0].error / points[1].error
    assert 2 ** order(points) == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("path", ["linear", "gvp", "sub-vp"])
def test_dopri5_keeps_its_tolerance(path: str, gaussian: GaussianMixture):
    interpolant = Interpolant(path)
    noise = torch.randn(16, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start, end = interpolant.state(0.0), interpolant.state(1.0)
    assert float(end.sigma) == 0
    spread = torch.hypot(0.6 * start.alpha, start.sigma)
    expected = gaussian.means + 0.6 / spread * (start.sigma * noise - start.alpha * gaussian.means)
    network = gaussian.model(interpolant)
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        x = sample(network, interpolant, noise, solver="dopri5", rtol=rtol, atol=rtol)
        errors.append(float((x - expected).abs().max()))
        assert errors[-1] < 30 * rtol
    assert errors[2] < errors[1] < errors[0]


def test_dopri5_says_where_the_field_breaks():
    def network(x, t, *, label=None, context=None):
        return torch.where(t.reshape(-1, 1, 1, 1) > 0.5, torch.nan, x)

    with pytest.raises(FloatingPointError, match=r"the velocity at t = 0\.[5-9]\d* is not finite"):
        sample(network, Interpolant(), torch.ones(1, 1, 1, 1), solver="dopri5")


def test_dopri5_gives_up_where_the_field_is_too_rough(monkeypatch):
    """A velocity that turns round between any two times that are floating-point numbers: no step is small enough."""

    def network(x, t, *, label=None, context=None):
        return torch.sin(1e12 * t.double()).reshape(-1, 1, 1, 1).expand_as(x).to(x)

    monkeypatch.setattr(dopri5, "MAX_EVALUATIONS", 300)
    calls = Counted(network)
    with pytest.raises(
        FloatingPointError, match=r"the velocity is too rough for rtol 1e-09 and atol 1e-09; raise them"
    ):
        sample(calls, Interpolant(), torch.ones(1, 1, 1, 1, dtype=torch.float64), solver="dopri5", rtol=1e-9, atol=1e-9)
    assert calls.evaluations <= 300
