"""Shared settings of the studies of mixers: a size of each at equal parameters, and its learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zigbench.suite import Axis

SCANNING = ("mamba", "mamba2", "gla", "gated-deltanet")
CONTROLS = ("nc-ssd", "attention")
"""Mixers that see no order."""

_SIZES: Mapping[str, Mapping[str, int]] = {
    "mamba": {"width": 32},
    "mamba2": {"width": 35, "head_width": 14},
    "gla": {"width": 33, "head_width": 22},
    "gated-deltanet": {"width": 33, "head_width": 22},
    "nc-ssd": {"width": 36, "head_width": 18},
    "attention": {"width": 42, "head_width": 14},
}
"""Widths nearest to the 116,769 parameters of Mamba's network on the digits (backbones.matched gives them).

Heads are three to five; 16 states per channel in each mixer that has them.
"""

RATES: Mapping[str, Mapping[str, float]] = {
    "digits": dict.fromkeys(_SIZES, 1e-2),
    "photographs": dict.fromkeys(_SIZES, 5e-3),
}
"""Learning rates by data set and mixer. Mamba's are those that `order_rate` chose for local orders.

The others' are Mamba's until `order_rate --profile mixers` and `--profile photographs-mixers` have chosen theirs, on
seeds 100 and 101: they are set before the first run of the suite `mixer`.
"""


def sized(name: str) -> Mapping[str, Any]:
    """Return the keys of a mixer at its size."""
    keys = {f"backbone.config.{key}": value for key, value in _SIZES[name].items()}
    return keys if name == "mamba" else {"backbone.config.mixer": name, **keys}


def mixers(data: str | None = None) -> Axis:
    """Return the axis of mixers; on a data set, each at its learning rate."""
    return Axis(
        "mixer",
        {name: {**sized(name), **({"optimizer.lr": RATES[data][name]} if data else {})} for name in _SIZES},
    )
