"""An order for a 1,024 × 1,024 grid, made and checked, from an empty cache: under a second for every curve.

Run with ``pytest tests/benchmarks/test_scan_orders.py --benchmark-only``.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from zigbench import scan


@pytest.mark.parametrize("variant", [0, 3])
@pytest.mark.parametrize("name", scan.names())
def test_an_image_of_a_million_tokens(benchmark: BenchmarkFixture, name: str, variant: int) -> None:
    grid = (1024, 1024)
    made = benchmark.pedantic(
        scan.make_order, args=(name, grid, variant), setup=scan.clear_cache, rounds=5, warmup_rounds=1
    )
    assert len(made) == 1024 * 1024
    assert benchmark.stats.stats.median < 1.0


@pytest.mark.parametrize("name", scan.names(3))
def test_a_clip_of_a_million_tokens(benchmark: BenchmarkFixture, name: str) -> None:
    made = benchmark.pedantic(
        scan.make_order, args=(name, (16, 256, 256), 3), setup=scan.clear_cache, rounds=5, warmup_rounds=1
    )
    assert len(made) == 1024 * 1024
    assert benchmark.stats.stats.median < 1.0


def test_a_cached_order(benchmark: BenchmarkFixture) -> None:
    scan.make_order("hilbert", (32, 32), 3)
    assert benchmark(scan.make_order, "hilbert", (32, 32), 3).variant == 3


def test_reach_of_a_million_tokens(benchmark: BenchmarkFixture) -> None:
    cycle = [scan.make_order("zigzag", (1024, 1024), v) for v in range(8)]
    assert benchmark.pedantic(scan.reach, args=(cycle,), rounds=3).layers is not None
