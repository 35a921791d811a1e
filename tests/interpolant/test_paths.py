"""Every path: its formula, its ends, its slopes and its inverse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.interpolant import PATHS, Interpolant
from zigbench.interpolant.path import MEMBERS
from zigbench.interpolant.path import path as register
from zigbench.interpolant.path.linear import Linear

TIMES = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
VARIANCE_PRESERVING = ("gvp", "vp", "cosine", "linear-vp")


def at(path: str, t: float, **options: float) -> tuple[float, float]:
    state = Interpolant(path, **options).state(t)
    return float(state.alpha), float(state.sigma)


def vp(t: float) -> float:
    return math.exp(-0.25 * (1 - t) ** 2 * 19.9 - 0.5 * (1 - t) * 0.1)


def cosine(t: float) -> float:
    return math.cos((1.008 - t) / 1.008 * math.pi / 2) / math.cos(0.008 / 1.008 * math.pi / 2)


FORMULAS = {
    "linear": lambda t: (t, 1 - t),
    "gvp": lambda t: (math.sin(math.pi * t / 2), math.cos(math.pi * t / 2)),
    "vp": lambda t: (vp(t), math.sqrt(1 - vp(t) ** 2)),
    "ve": lambda t: (1.0, 0.01 * (50 / 0.01) ** (1 - t)),
    "sub-vp": lambda t: (vp(t), 1 - vp(t) ** 2),
    "cosine": lambda t: (cosine(t), math.sqrt(max(0, 1 - cosine(t) ** 2))),
    "polynomial": lambda t: (t**2, 1 - t**2),
    "linear-vp": lambda t: (t, math.sqrt(1 - t**2)),
}


def test_every_path_has_a_formula():
    assert set(FORMULAS) == set(PATHS)


@pytest.mark.parametrize("path", FORMULAS)
@pytest.mark.parametrize("t", [0.0, 0.25, 0.8, 1.0])
def test_a_path_is_its_formula(path: str, t: float):
    assert at(path, t) == pytest.approx(FORMULAS[path](t), rel=1e-12, abs=1e-7)


@pytest.mark.parametrize("path", PATHS)
def test_the_ends_are_noise_and_data(path: str):
    start, end = Interpolant(path).state(0.0), Interpolant(path).state(1.0)
    assert float(end.alpha) == pytest.approx(1.0, abs=1e-15)
    if float(start.alpha) == 1:  # The data stay, under noise that begins far above them and ends far below.
        assert float(start.sigma) >= 50
        assert float(end.sigma) <= 0.01 * (1 + 1e-12)
        return
    assert float(end.sigma) == 0.0  # Exactly: what divides by it must be seen to do so.
    assert float(start.sigma) == pytest.approx(1.0, abs=1e-4)
    least = math.exp(-0.25 * 19.9 - 0.05) if path in ("vp", "sub-vp") else 0.0
    assert float(start.alpha) == pytest.approx(least, abs=1e-15)


@pytest.mark.parametrize("path", PATHS)
def test_slopes_are_the_derivatives(path: str):
    t = TIMES.clone().requires_grad_()
    state = Interpolant(path).state(t)
    for value, slope in ((state.alpha, state.dalpha), (state.sigma, state.dsigma)):
        # A coefficient that does not depend on t has the slope 0.
        (expected,) = torch.autograd.grad((value + 0 * t).sum(), t, retain_graph=True)
        torch.testing.assert_close(slope.detach(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
def test_time_inverts_log_snr_which_increases(path: str):
    interpolant = Interpolant(path)
    log_snr = interpolant.path.log_snr(TIMES)
    assert bool((log_snr.diff() > 0).all())
    torch.testing.assert_close(interpolant.path.time(log_snr), TIMES, rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
def test_time_of_an_infinite_log_snr_is_an_end(path: str):
    infinite = torch.tensor([-math.inf, -1e4, 1e4, math.inf], dtype=torch.float64)
    assert Interpolant(path).path.time(infinite).tolist() == pytest.approx([0.0, 0.0, 1.0, 1.0], abs=1e-12)


@pytest.mark.parametrize("path", VARIANCE_PRESERVING)
def test_variance_is_preserved(path: str):
    state = Interpolant(path).state(TIMES)
    torch.testing.assert_close(state.alpha**2 + state.sigma**2, torch.ones_like(TIMES))


@given(degree=st.floats(0.5, 6.0), t=st.floats(0.05, 0.95))
def test_polynomial_is_linear_in_a_power_of_time(degree: float, t: float):
    assert at("polynomial", t, degree=degree) == pytest.approx(at("linear", t**degree), rel=1e-12)


def test_drift_variance_is_half_the_noise_rate_of_vp():
    t = TIMES[:-1]
    rate = 0.1 + (1 - t) * 19.9
    torch.testing.assert_close(Interpolant("vp").state(t).drift_variance, 0.5 * rate)


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("polynomial", {"degree": 0.0}, "degree is 0.0; it must be above 0"),
        ("vp", {"beta_min": 3.0, "beta_max": 2.0}, "beta_max 2.0 is below beta_min 3.0"),
        ("ve", {"sigma_min": 1.0, "sigma_max": 1.0}, "sigma_max 1.0 must be above sigma_min 1.0"),
        ("cosine", {"offset": 0.0}, "the path without one is 'gvp'"),
        ("linear", {"degree": 2.0}, "unknown option .*'degree'; allowed: none"),
        ("vp", {"beta_mix": 2.0}, "did you mean 'beta_min'"),
        ("lineal", {}, "did you mean 'linear'"),
    ],
)
def test_impossible_paths_are_refused(path: str, options: dict[str, float], words: str):
    with pytest.raises(ValueError, match=words):
        Interpolant(path, **options)


def test_a_second_path_of_a_name_is_refused_and_one_of_a_users_own_can_be_named():
    @dataclass(frozen=True)
    class Slow(Linear):
        """As the straight line."""

    with pytest.raises(ValueError, match="two paths are called 'linear'"):
        register("linear")(Slow)
    register("slow")(Slow)
    assert Interpolant("slow").path == Slow()
    assert "slow" not in PATHS
    del MEMBERS["slow"]
