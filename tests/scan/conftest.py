"""A registry of curves that each test may add to without others seeing it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zigbench import scan
from zigbench.spec import registry


@pytest.fixture
def own_curves(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for home in (registry.curves, registry.volumes):
        monkeypatch.setattr(home, "_registered", dict(home._registered))
        monkeypatch.setattr(home, "_looked_up", {})
    yield
    scan.clear_cache()
