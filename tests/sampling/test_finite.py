"""The whole product of paths, predictions, solvers, diffusion forms, last steps and precisions is finite."""

from __future__ import annotations

from itertools import cycle

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from tests.support.sampler_combinations import Cell, product, table
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.sampling import SOLVERS, sample

NOISE = torch.randn(2, 1, 1, 2, generator=torch.Generator().manual_seed(0))


def assert_all_finite(cells: list[Cell], path: str, dtypes: int) -> None:
    """The table is whole, and every entry says all out of all."""
    rows = table(cells)
    assert set(rows) == {(path, prediction) for prediction in PREDICTIONS}
    for row, columns in rows.items():
        assert set(columns) == set(SOLVERS)
        for solver, entry in columns.items():
            # Six diffusion forms by four last steps.
            count = dtypes * (24 if solver in ("euler-maruyama", "stochastic-heun") else 1)
            assert entry == f"{count}/{count}", (row, solver)


@pytest.mark.parametrize("path", PATHS)
def test_a_perfect_network(path: str, mixture: GaussianMixture):
    cells = list(product(mixture.model, NOISE, paths=[path]))
    assert_all_finite(cells, path, dtypes=2)
    for cell in cells:
        assert cell.samples.dtype == cell.dtype
        # Three steps are too few for VE's explicit solvers, whose noise falls 17-fold in each.
        assert float(cell.samples.abs().max()) < (5e3 if path == "ve" else 100), cell


@pytest.mark.parametrize("path", PATHS)
def test_a_network_that_knows_nothing(path: str):
    """Wrong outputs of order 1, as at initialisation: nothing may divide them by an end's zero."""

    def network(interpolant: Interpolant):
        return lambda x, t, *, label=None, context=None: torch.cos(x) + 0.5

    cells = list(product(network, NOISE, paths=[path], dtypes=[torch.bfloat16]))
    assert_all_finite(cells, path, dtypes=1)


@pytest.mark.parametrize("steps", [1, 2, 120])
@pytest.mark.parametrize("path", ["linear", "vp"])
def test_any_number_of_steps(steps: int, path: str, mixture: GaussianMixture):
    """From one step, which goes from end to end, to the many that come close to both."""
    for prediction, solver in zip(cycle(PREDICTIONS), sorted(set(SOLVERS) - {"dopri5"}), strict=False):
        interpolant = Interpolant(path, prediction)
        network = mixture.model(interpolant)
        x = sample(network, interpolant, NOISE[:1], solver=solver, steps=steps, generator=[0])
        assert bool(x.isfinite().all()), (prediction, solver)
        assert steps < 120 or float(x.abs().max()) < 5, (prediction, solver)


def test_what_is_not_finite_is_seen():
    def network(interpolant: Interpolant):
        return lambda x, t, *, label=None, context=None: x / torch.zeros_like(x)

    cells = list(product(network, NOISE, paths=["linear"], predictions=["velocity"]))
    assert set(table(cells)["linear", "velocity"].values()) == {"0/2", "0/48"}
