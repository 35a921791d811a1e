"""Every registered backbone: its keys, its sizes and their parameter counts, computed in closed form."""

from __future__ import annotations

import json
from collections.abc import Iterator

from support.published_parameters import CLIP, ROWS, WAYS, surpluses

from generate.words import NONE, code, summary, table
from zigbench.cli.keys import COLUMNS, rows
from zigbench.spec import BackboneConfig, Geometry, NetworkSpec, ScanSpec, registry

GEOMETRIES = {
    "32×32×4, patch 1": Geometry(4, 32, 32, 1),
    "32×32×4, patch 2": Geometry(4, 32, 32, 2),
    "patch 2, 1000 classes": Geometry(4, 32, 32, 2, classes=1000),
    "patch 1, text 77×768": Geometry(4, 32, 32, 1, context=(77, 768)),
    "16 frames, patch 2, 101 classes": Geometry(4, 32, 32, 2, frames=16, classes=101),
}


def families() -> str:
    """A section for each backbone."""
    return "\n".join(_section(name) for name in registry.backbones.names())


def published() -> str:
    """A row for each published network: its parameters as published and in closed form."""
    rows = []
    for row in ROWS:
        figure = f"{row.published:,}" if row.rounded_to == 1 else f"{row.published / 1e6:.2f} M"
        rows.append((row.label, code(row.family), figure, f"{row.counted:,}", "yes" if row.exact else "no"))
    return table(("network", "family", "published:", "counted:", "agrees"), rows)


def clips() -> str:
    """A row for each way to scan or attend to clips: parameters, surplus, operations of one forward pass."""
    rows = []
    for way, (parameters, surplus) in surpluses().items():
        family, config = WAYS[way]
        cost = NetworkSpec.of(family, **config).cost(CLIP)
        assert cost is not None
        rows.append((way, code(family), f"{parameters:,}", f"{surplus:+,}", f"{cost.flops / 1e9:.1f}"))
    return table(("way", "family", "parameters:", "surplus:", "GFLOPs:"), rows)


def _section(name: str) -> str:
    config: type[BackboneConfig] = registry.backbones.get(name)
    own = [_row(row) for row in rows(config, "backbone.config.")]
    parts = [f"## {name}", summary(config), table(COLUMNS, [*_stated(config), *own])]
    sizes = getattr(config, "sizes", None)
    if sizes:
        parts += ["Sizes and their parameters, frozen ones included:", _sizes(name, config)]
    return "\n\n".join(parts) + "\n"


def _stated(config: type[BackboneConfig]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of what the family takes from the run, with the family's own defaults."""
    defaults = {f"scan.{key}": value for key, value in (config.default_scan or {}).items()}
    for key, kind, _, meaning in rows(ScanSpec, "scan."):
        if key.strip("`") in defaults:
            yield key, kind, code(json.dumps(defaults[key.strip("`")])), meaning
    if config.default_position is not None:
        (kind, meaning), *_ = [(kind, meaning) for key, kind, _, meaning in rows(NetworkSpec) if key == "`position`"]
        yield "`position`", kind.removesuffix(" or none"), code(json.dumps(config.default_position)), meaning


def _row(row: tuple[str, ...]) -> tuple[str, ...]:
    key, kind, default, meaning = row
    return key, kind, "the size's" if default == "required" else default, meaning


def _sizes(name: str, config: type[BackboneConfig]) -> str:
    sizes = config.sizes  # type: ignore[attr-defined]
    numbers = list(next(iter(sizes.values())))
    body = []
    for size in sizes:
        network = NetworkSpec.of(name, size=size)
        counts = [_count(network, geometry) for geometry in GEOMETRIES.values()]
        default = " (default)" if size == config.default_size else ""  # type: ignore[attr-defined]
        body.append((code(size) + default, *(str(getattr(network.config, key)).lower() for key in numbers), *counts))
    return table(("size", *(f"{key}:" for key in numbers), *(f"{title}:" for title in GEOMETRIES)), body)


def _count(network: NetworkSpec, geometry: Geometry) -> str:
    count = None if list(network.faults(geometry)) else network.parameters(geometry)
    return NONE if count is None else f"{count:,}"
