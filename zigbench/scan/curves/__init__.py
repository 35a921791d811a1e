"""The built-in curves, one family a file; importing this package registers them all."""

from zigbench.scan.curves import (
    blocked,
    diagonal,
    hilbert,
    listed,
    moore,
    morton,
    peano,
    rings,
    rows,
    shuffled,
    volume,
)

__all__ = [
    "blocked",
    "diagonal",
    "hilbert",
    "listed",
    "moore",
    "morton",
    "peano",
    "rings",
    "rows",
    "shuffled",
    "volume",
]
