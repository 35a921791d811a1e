"""make_order and its cache, orders for layers, labels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench import scan
from zigbench.scan import orders as scan_orders


def test_orders_are_cached_by_value() -> None:
    first = scan.make_order("hilbert", (12, 16), 3)
    assert scan.make_order("hilbert", [12, np.int64(16)], np.int64(3)) is first  # type: ignore[arg-type]
    assert scan.make_order("hilbert", (12, 16), 3, seed=7) is first
    assert scan.make_order("blocked[size=4]", (12, 16)) is scan.make_order("blocked", (12, 16))
    scan.clear_cache()
    again = scan.make_order("hilbert", (12, 16), 3)
    assert again is not first
    assert again == first


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    order = scan.make_order("sweep", (4, 4))
    size = order.order.nbytes + order.rank.nbytes
    cache = scan_orders._Cache(limit=3 * size)
    for key in range(3):
        cache.put((key,), order)
    assert cache.get((0,)) is order
    cache.put((3,), order)
    assert cache.get((1,)) is None
    assert cache.get((0,)) is order
    assert cache.size == 3 * size
    cache.put((3,), order)
    assert cache.size == 3 * size
    cache.put((4,), scan.make_order("sweep", (40, 40)))
    assert cache.size <= cache.limit


def test_the_seed_is_recorded_where_it_is_used() -> None:
    assert scan.make_order("random", (4, 4), seed=5).seed == 5
    assert scan.make_order("zigzag", (4, 4), seed=5).seed == 0


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_bad_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ValueError, match="integer of at least 0"):
        scan.make_order("random", (4, 4), seed=seed)  # type: ignore[arg-type]


@given(st.integers(1, 8), st.integers(1, 48))
def test_layer_i_uses_variant_i_mod_n(schemes: int, depth: int) -> None:
    orders = scan.layer_orders("zigzag", schemes, depth, (3, 5))
    assert len(orders) == depth
    for layer, order in enumerate(orders):
        assert order == scan.make_order("zigzag", (3, 5), layer % schemes)


def test_lists_and_rules_assign_variants() -> None:
    assert scan.layer_variants([0, 4], 5) == (0, 4, 0, 4, 0)
    assert scan.layer_variants(lambda layer: 7 - layer % 8, 3) == (7, 6, 5)
    orders = scan.layer_orders("hilbert", [0, 6, 0], 3, (4, 4))
    assert [order.variant for order in orders] == [0, 6, 0]
    assert orders[0] is orders[2]


def test_random_layers_follow_the_seed() -> None:
    ours = scan.layer_orders("random", 2, 4, (4, 4), seed=1)
    assert [order.seed for order in ours] == [1, 1, 1, 1]
    assert ours[0] != scan.layer_orders("random", 2, 4, (4, 4), seed=2)[0]


@pytest.mark.parametrize(
    ("schemes", "depth", "words"),
    [
        (0, 4, "expected 1 to 8"),
        (9, 4, "expected 1 to 8"),
        (True, 4, "expected 1 to 8"),
        ([], 4, "lists 0 variants"),
        ([0, 1, 2], 2, "lists 3 variants for 2 layers"),
        ([0, 8], 2, "variant = 8"),
        (lambda layer: 8 * layer, 2, "variant = 8"),
        (8, 0, "depth = 0"),
    ],
)
def test_impossible_assignments_are_refused(schemes: scan_orders.Schemes, depth: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scan.layer_orders("zigzag", schemes, depth, (4, 4))


@given(st.sampled_from([name for name in scan.names() if name not in ("sweep", "raster")]), st.integers(1, 8))
def test_labels_round_trip(curve: str, schemes: int) -> None:
    assert scan.label(curve, schemes) == f"{curve}-{schemes}"
    assert scan.parse_label(scan.label(curve, schemes)) == (curve, schemes)


def test_row_major_scans_have_the_fields_names() -> None:
    assert scan.label("sweep", 1) == scan.label("raster", 1) == "sweep-1"
    assert scan.label("sweep", 8) == scan.label("raster", 8) == "raster-8"
    assert scan.parse_label("sweep-1") == ("sweep", 1)
    with pytest.raises(ValueError, match=r"bidirectional mixer.*raster-2"):
        scan.parse_label("sweep-2")


@pytest.mark.parametrize("text", ["zigzag", "zigzag-0", "zigzag-9", "-3", "zigzag-x"])
def test_labels_without_a_count_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected curve-n"):
        scan.parse_label(text)


def test_importing_the_room_imports_no_heavy_package() -> None:
    heavy = "matplotlib", "pandas", "torch", "scipy"
    code = f"import sys, zigbench.scan, zigbench.scan.gallery; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
