"""Every solver of the torch-free table has its steps, and nothing else can be registered."""

from __future__ import annotations

import pytest

from zigbench.sampling.solvers import SOLVERS, solver
from zigbench.spec.solvers import SOLVERS as TABLE


def test_every_row_has_a_solver_and_every_solver_a_row():
    assert set(SOLVERS) == set(TABLE)


def test_a_solver_without_a_row_and_a_second_one_of_a_name_are_refused():
    with pytest.raises(ValueError, match="'leapfrog' has no row in"):
        solver("leapfrog")
    with pytest.raises(ValueError, match="two solvers are called 'euler'"):
        solver("euler")(lambda field, x, times, options: x)
    assert solver("euler")(SOLVERS["euler"]) is SOLVERS["euler"]
