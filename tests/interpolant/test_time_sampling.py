"""Training times follow the distributions they are named after."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from zigbench.interpolant import PATHS, TIMES, Interpolant

COUNT = 20_000


def draw(time: str, path: str = "linear", seed: int = 0, **options: float) -> np.ndarray:
    interpolant = Interpolant(path, time=time, **options)
    data = torch.zeros(COUNT, 1)
    return interpolant.draw(data, torch.Generator().manual_seed(seed))[1].double().numpy()


def logit(t: np.ndarray) -> np.ndarray:
    return np.log(t) - np.log1p(-t)


def same(samples: np.ndarray, distribution: str, *parameters: float) -> bool:
    return bool(stats.kstest(samples, distribution, parameters).pvalue > 1e-3)


def test_uniform():
    assert same(draw("uniform"), "uniform")


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.8, 0.5), (-0.5, 1.3)])
def test_logit_normal(mean: float, std: float):
    assert same(logit(draw("logit-normal", mean=mean, std=std)), "norm", mean, std)


@pytest.mark.parametrize("skew", [-1.0, 0.0, 0.5, 1.29, 1.75])
def test_mode(skew: float):
    u = np.linspace(0, 1, 100_001)
    times = u + skew * (np.cos(np.pi / 2 * u) ** 2 - 1 + u)
    assert (np.diff(times) > -1e-12).all()
    t = draw("mode", skew=skew)
    assert same(np.interp(t, times, u), "uniform")


@pytest.mark.parametrize("path", PATHS)
def test_edm_draws_the_same_noise_levels_on_every_path(path: str):
    t = torch.from_numpy(draw("edm", path))
    inner = t[(t > 1e-3) & (t < 1 - 1e-3)]  # Near the ends, times in float32 are too coarse to compare.
    log_snr = Interpolant(path).path.log_snr(inner)
    least, greatest = float(log_snr.min()), float(log_snr.max())
    low, high = ((bound - 1.2) / 1.2 for bound in (least, greatest))
    assert same(log_snr.numpy(), "truncnorm", low, high, 1.2, 1.2)


def test_edm_on_the_line_is_a_logit_normal():
    assert same(logit(draw("edm")), "norm", 1.2, 1.2)


def test_grid_visits_the_times_of_euler_steps():
    t = draw("grid", points=8)
    values, counts = np.unique(t, return_counts=True)
    assert values.tolist() == [k / 8 for k in range(8)]
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("time", TIMES)
def test_times_depend_on_the_generator_alone_and_stay_inside(time: str):
    state = torch.random.get_rng_state()
    first, again, other = draw(time, seed=1), draw(time, seed=1), draw(time, seed=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (first == again).all()
    assert (first != other).any()
    assert first.min() >= 0
    assert first.max() <= 1


@pytest.mark.parametrize(
    ("time", "options", "words"),
    [
        ("logit-normal", {"std": 0.0}, "std is 0.0"),
        ("mode", {"skew": 2.0}, r"it must lie in \[-1, 1.75"),
        ("grid", {"points": 0}, "points is 0"),
        ("uniform", {"mean": 0.0}, "allowed: none"),
        ("mode", {"std": 1.0}, "allowed: skew"),
        ("logitnormal", {}, "did you mean 'logit-normal'"),
    ],
)
def test_impossible_times_are_refused(time: str, options: dict[str, float], words: str):
    with pytest.raises(ValueError, match=words):
        Interpolant(time=time, **options)


def test_cosmap_draws_the_noise_levels_of_the_cosine_path():
    """On the line its λ is that of a uniform time on α = sin(πt/2), σ = cos(πt/2)."""
    t = draw("cosmap")
    assert same(2 / np.pi * np.arctan(t / (1 - t)), "uniform")
