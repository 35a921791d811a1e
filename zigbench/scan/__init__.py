"""Scan curves: the order in which a network visits the tokens of a grid. numpy only.

>>> from zigbench import scan
>>> order = scan.make_order("hilbert", (16, 24), variant=3)
>>> scan.statistics(order)["continuity"]
1.0
"""

from zigbench.scan.comparison import compare, duplicates, localities, reversals, table, to_csv
from zigbench.scan.order import Grid, ScanOrder
from zigbench.scan.orders import (
    ContinuityWarning,
    clear_cache,
    label,
    layer_orders,
    layer_variants,
    make_order,
    parse_label,
)
from zigbench.scan.reachability import Reach, reach
from zigbench.scan.registry import Curve, canonical, curve, names
from zigbench.scan.statistics import locality, statistics
from zigbench.scan.symmetries import VARIANTS, symmetry

# This import comes last: it registers the built-in curves, which use the names above.
from zigbench.scan import curves as _curves  # isort: skip  # noqa: F401

__all__ = [
    "VARIANTS",
    "ContinuityWarning",
    "Curve",
    "Grid",
    "Reach",
    "ScanOrder",
    "canonical",
    "clear_cache",
    "compare",
    "curve",
    "duplicates",
    "label",
    "layer_orders",
    "layer_variants",
    "localities",
    "locality",
    "make_order",
    "names",
    "parse_label",
    "reach",
    "reversals",
    "statistics",
    "symmetry",
    "table",
    "to_csv",
]
