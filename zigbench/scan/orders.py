"""Orders by a curve's name: checked, cached by value in bounded memory, one at a time or one for each layer."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from zigbench.scan import registry
from zigbench.scan.order import Grid, ScanOrder, check_grid, grid_text
from zigbench.scan.symmetries import VARIANTS, base_grid, check_variant

CACHE_BYTES = 256 * 2**20

Schemes = int | Sequence[int] | Callable[[int], int]


class ContinuityWarning(UserWarning):
    """Warning of a curve that claims to be space-filling and jumps more often than sweep does."""


class _Cache:
    """A cache of the orders used last, bounded in bytes; safe to share between threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._orders: OrderedDict[tuple[object, ...], ScanOrder] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...]) -> ScanOrder | None:
        with self._lock:
            if key in self._orders:
                self._orders.move_to_end(key)
            return self._orders.get(key)

    def put(self, key: tuple[object, ...], order: ScanOrder) -> None:
        with self._lock:
            if key in self._orders:
                return
            self._orders[key] = order
            self.size += order.order.nbytes + order.rank.nbytes
            while self.size > self.limit:
                _, oldest = self._orders.popitem(last=False)
                self.size -= oldest.order.nbytes + oldest.rank.nbytes

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()
            self.size = 0


_cache = _Cache(CACHE_BYTES)


def make_order(curve: str, grid: Grid, variant: int = 0, *, seed: int = 0) -> ScanOrder:
    """Return the visiting order of ``curve`` on ``grid``: checked, immutable, cached by value.

    Args:
        curve: a registered name, with parameters in brackets where it takes any ("blocked[inner=hilbert,size=8]").
        grid: (height, width), or (frames, height, width) for the 3D curves; sides of at least 1.
        variant: 0 … 7: the symmetries in the order of :mod:`zigbench.scan.symmetries`.
        seed: non-negative; read by random curves only, recorded as 0 by the others.

    Raises:
        ValueError: unknown curve or parameter, a bad grid, variant or seed, or a rule that returns no permutation
            (the first offending step is named).

    Warns:
        ContinuityWarning: the curve claims to be space-filling and is less continuous than sweep on this grid.
    """
    sides = check_grid(grid)
    check_variant(variant)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed = {seed!r}: expected an integer of at least 0")
    rule, name, arguments = registry.lookup(curve, len(sides))
    used_seed = int(seed) if rule.seeded else 0
    key = (rule, name, sides, int(variant), used_seed)
    cached = _cache.get(key)
    if cached is not None:
        return cached
    values = rule.build(name, sides, int(variant), used_seed, arguments)
    order = ScanOrder(values, curve=name, variant=int(variant), grid=sides, seed=used_seed)
    if rule.space_filling:
        warn_if_discontinuous(order)
    if rule.cached:
        _cache.put(key, order)
    return order


def warn_if_discontinuous(order: ScanOrder) -> None:
    """Warn when ``order``, claimed to be space-filling, has more jumps than the same variant of sweep."""
    jumps = int((order.jumps() != 1).sum())
    # Sweep jumps at the end of each run along its innermost side that is longer than one token.
    runs = [side for side in base_grid(order.grid, order.variant) if side > 1]
    allowed = len(order) // runs[-1] - 1 if runs else 0
    if jumps > allowed:
        warnings.warn(
            f"curve {order.curve!r}, variant {order.variant}, grid {grid_text(order.grid)} claims to be "
            f"space-filling, but {jumps} of its {len(order) - 1} steps leave the neighbourhood; sweep has {allowed}",
            ContinuityWarning,
            stacklevel=3,
        )


def clear_cache() -> None:
    """Empty the cache of orders."""
    _cache.clear()


def layer_variants(schemes: Schemes, depth: int) -> tuple[int, ...]:
    """Return the variant that each of ``depth`` layers uses.

    Args:
        schemes: a count n, 1 … 8 (layer i uses variant i % n); or a list of variants (layer i uses the list's
            i % length; not longer than the depth); or a rule from the layer's index to its variant.
        depth: number of layers, at least 1.

    Raises:
        ValueError: a count outside 1 … 8, an empty or too long list, a variant outside 0 … 7, a depth below 1.
    """
    if isinstance(depth, bool) or not isinstance(depth, int | np.integer) or depth < 1:
        raise ValueError(f"depth = {depth!r}: expected an integer of at least 1")
    if callable(schemes):
        return tuple(check_variant(schemes(layer)) for layer in range(depth))
    if isinstance(schemes, int | np.integer):
        if isinstance(schemes, bool) or not 1 <= schemes <= VARIANTS:
            raise ValueError(f"schemes = {schemes!r}: expected 1 to {VARIANTS}, a list of variants, or a rule")
        return tuple(layer % int(schemes) for layer in range(depth))
    variants = [check_variant(variant) for variant in schemes]
    if not 1 <= len(variants) <= depth:
        raise ValueError(f"schemes lists {len(variants)} variants for {depth} layers; expected 1 to {depth}")
    return tuple(variants[layer % len(variants)] for layer in range(depth))


def layer_orders(curve: str, schemes: Schemes, depth: int, grid: Grid, *, seed: int = 0) -> tuple[ScanOrder, ...]:
    """Return one order a layer, ``depth`` in all: :func:`make_order` of each of :func:`layer_variants`.

    Layers that use the same variant share one object.

    Raises:
        ValueError: as those two raise.
    """
    orders = {v: make_order(curve, grid, v, seed=seed) for v in dict.fromkeys(layer_variants(schemes, depth))}
    return tuple(orders[v] for v in layer_variants(schemes, depth))


def label(curve: str, schemes: int) -> str:
    """Return the field's label of a curve and a scheme count: "zigzag-8", "sweep-1", "raster-8".

    Row-major scans have two names. One scheme is the published ``sweep-1``; n symmetries of it, one a layer, are
    ``raster-n``. ``sweep-2`` is reserved: published under it is a bidirectional mixer over one order.

    Raises:
        ValueError: schemes outside 1 … 8.
    """
    layer_variants(schemes, 1)
    if curve in ("sweep", "raster"):
        curve = "sweep" if schemes == 1 else "raster"
    return f"{curve}-{schemes}"


def parse_label(text: str) -> tuple[str, int]:
    """Return a label's curve and scheme count: "hilbert-released-8" → ("hilbert-released", 8).

    Raises:
        ValueError: no count at the end, a count outside 1 … 8, or "sweep-n" with n > 1, which names no curve.
    """
    curve, _, count = text.rpartition("-")
    if not curve or not count.isdigit() or not 1 <= int(count) <= VARIANTS:
        raise ValueError(f"label {text!r}: expected curve-n with n from 1 to {VARIANTS}, such as zigzag-8")
    if curve == "sweep" and int(count) > 1:
        raise ValueError(
            f"label {text!r}: as published this is a bidirectional mixer over sweep-1, not {count} symmetries; "
            f"for the row-major curve with {count} symmetries write raster-{count}"
        )
    return curve, int(count)
