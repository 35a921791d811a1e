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


def test_formulas_at_a_quarter():
    u, t = 0.75, 0.25
    alpha_vp = math.exp(-0.25 * u**2 * 19.9 - 0.5 * u * 0.1)
    angle = (u + 0.008) / 1.008 * math.pi / 2
    alpha_cosine = math.cos(angle) / math.cos(0.008 / 1.008 * math.pi / 2)
    expected = {
        "linear": (t, u),
        "gvp": (math.sin(math.pi * t / 2), math.cos(math.pi * t / 2)),
        "vp": (alpha_vp, math.sqrt(1 - alpha_vp**2)),
        "ve": (1.0, 0.01 * (50 / 0.01) ** u),
        "sub-vp": (alpha_vp, 1 - alpha_vp**2),
        "cosine": (alpha_cosine, math.sqrt(1 - alpha_cosine**2)),
        "polynomial": (t**2, 1 - t**2),
        "linear-vp": (t, math.sqrt(1 - t**2)),
    }
    assert tuple(expected) == PATHS
    for path, values in expected.items():
        assert at(path, t) == pytest.approx(values, rel=1e-12), path


@pytest.mark.parametrize("path", PATHS)
def test_the_ends_are_noise_and_data(path: str):
    start, end = Interpolant(path).state(0.0), Interpolant(path).state(1.0)
    assert float(end.alpha) == pytest.approx(1.0, abs=1e-15)
    if path == "ve":
        assert (float(start.sigma), float(end.sigma)) == pytest.approx((50.0, 0.01))
        return
    assert float(end.sigma) == 0.0  # Exactly: what divides by it must be seen to do so.
    assert float(start.sigma) == pytest.approx(1.0, abs=1e-4)
    least = math.exp(-0.25 * 19.9 - 0.05) if path in ("vp", "sub-vp") else 0.0
    assert float(start.alpha) == pytest.approx(least, abs=1e-15)


@pytest.mark.parametrize("path", PATHS)
def test_slopes_are_the_derivatives(path: str):
    t = TIMES.clone().requires_grad_()
    state = Interpolant(path).state(t)
    (dsigma,) = torch.autograd.grad(state.sigma.sum(), t, retain_graph=True)
    torch.testing.assert_close(state.dsigma.detach(), dsigma, rtol=1e-9, atol=1e-12)
    if path == "ve":
        assert not state.dalpha.any()  # α is the constant 1.
        return
    (dalpha,) = torch.autograd.grad(state.alpha.sum(), t)
    torch.testing.assert_close(state.dalpha.detach(), dalpha, rtol=1e-9, atol=1e-12)


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
