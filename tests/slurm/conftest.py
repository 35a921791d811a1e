"""A SLURM for the session: skipped with the reason where there can be none, required in continuous integration."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pluggy
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "support"))

from cluster import LocalSlurm, missing
from faults import Injection


@pytest.fixture(scope="session")
def slurm() -> Iterator[LocalSlurm]:
    """A running cluster with ten cores, partitions main and high, and accounting."""
    why = missing()
    if why and os.environ.get("CI") == "true":
        pytest.fail(f"continuous integration needs a SLURM: {why}")
    if why:
        pytest.skip(f"no SLURM can be started here: {why}")
    # Not pytest's own folder: sockets lie in it, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="zb-") as base, LocalSlurm(Path(base), cpus=10) as cluster:
        _RUNNING.append(cluster)
        yield cluster
        _RUNNING.clear()


@pytest.fixture(scope="session")
def injection(slurm: LocalSlurm, tmp_path_factory: pytest.TempPathFactory) -> Injection:
    """The campaign of faults, begun."""
    return Injection(slurm, tmp_path_factory.mktemp("faults"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Waits here have limits of their own, which say what was waited for; where faults are tested, they begin first.

    They wait for most of their time, in which the other tests are run.
    """
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    of_faults = [item for item in ours if item.path.name == "test_faults.py"]
    for item in ours:
        item.add_marker(pytest.mark.timeout(3600))
        if of_faults and isinstance(item, pytest.Function) and "slurm" in item.fixturenames:
            item.fixturenames.insert(item.fixturenames.index("slurm") + 1, "injection")
    items[:] = [item for item in items if item not in of_faults] + of_faults


_RUNNING: list[LocalSlurm] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Let the cluster speak where something failed on it."""
    report = (yield).get_result()
    if report.failed and _RUNNING:
        report.sections.append(("the cluster", _RUNNING[0].testimony()))
