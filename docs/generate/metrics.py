"""Every registered metric: direction, features, and how it is computed."""

from __future__ import annotations

from generate.words import NONE, code, module_summary, table
from zigbench.spec import registry

DIRECTIONS = {True: "higher", False: "lower", None: NONE}


def metrics() -> str:
    """Return one table of all metrics, then what their computations do."""
    catalogue = {name: registry.metrics.get(name) for name in registry.metrics.names()}
    rows = (
        (
            code(name),
            metric.title,
            DIRECTIONS[metric.higher_is_better],
            f"{metric.extractor}, {metric.feature}" if metric.extractor else ", ".join(metric.parts) or NONE,
            f"[{_module(metric.compute)}](#{_module(metric.compute).replace('_', '-')})",
        )
        for name, metric in catalogue.items()
    )
    parts = [table(("metric", "title", "better", "features", "computed by"), rows)]
    for _, compute in sorted({_module(metric.compute): metric.compute for metric in catalogue.values()}.items()):
        parts.append(f"({_module(compute).replace('_', '-')})=\n## {_module(compute)}\n\n{module_summary(compute)}\n")
    return "\n".join(parts)


def _module(compute: str) -> str:
    return compute.partition(":")[0].rpartition(".")[2]
