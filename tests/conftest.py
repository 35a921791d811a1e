"""Fixtures of the tests: small real specs, and a hypothesis profile with fixed seeds."""

from __future__ import annotations

import os

# One thread a process: results do not depend on the machine's core count, and parallel tests do not fight.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from zigbench.spec.registry import PLUGINS_VARIABLE

settings.register_profile(
    "zigbench", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("zigbench")

TINY = {
    "backbone.name": "zigma",
    "backbone.config.width": 8,
    "backbone.config.depth": 2,
    "data.name": "digits",
    "training.steps": 4,
    "training.batch": 8,
    "training.ema": 0.5,
    "sampler.steps": 2,
}


@pytest.fixture
def tiny() -> dict[str, object]:
    """Keys of the smallest real run: two zigzag layers on the digits, four steps."""
    return dict(TINY)


@pytest.fixture(autouse=True, scope="module")
def plugins_of_the_module() -> Iterator[None]:
    """Take the plug-ins that a module's fixtures load out of the environment again."""
    yield from _restored_plugins()


@pytest.fixture(autouse=True)
def plugins_of_the_test() -> Iterator[None]:
    """Take the plug-ins that a test loads out of the environment, which the processes of later tests inherit."""
    yield from _restored_plugins()


def _restored_plugins() -> Iterator[None]:
    before = os.environ.get(PLUGINS_VARIABLE)
    yield
    os.environ.pop(PLUGINS_VARIABLE, None)
    if before is not None:
        os.environ[PLUGINS_VARIABLE] = before
