"""Each error of the table of closed forms is within its bound."""

from __future__ import annotations

import math

import pytest

from tests.support.closed_forms import ROWS, ClosedForm


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}-{row.method}-{row.claim[:20]}".replace(" ", "-"))
def test_a_method_is_its_closed_form(row: ClosedForm):
    error = row.measure()
    assert math.isfinite(error)
    assert 0 <= error <= row.bound, f"{row.method}: {row.claim}: {error:.2g}"
