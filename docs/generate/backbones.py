"""Every registered backbone: its keys, its sizes and their parameter counts, computed in closed form."""

from __future__ import annotations

from generate.spec import COLUMNS, rows
from generate.words import NONE, code, summary, table
from zigbench.spec import LIFTED, BackboneConfig, Geometry, registry

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


def _section(name: str) -> str:
    config: type[BackboneConfig] = registry.backbones.get(name)
    own = [_row(row) for row in rows(config, "backbone.config.")]
    parts = [f"## {name}", summary(config), table(COLUMNS, own)]
    sizes = getattr(config, "sizes", None)
    if sizes:
        parts += ["Sizes and their parameters, frozen ones included:", _sizes(config)]
    return "\n\n".join(parts) + "\n"


def _row(row: tuple[str, ...]) -> tuple[str, ...]:
    key, kind, default, meaning = row
    name = key.strip("`").rpartition(".")[2]
    return code(LIFTED.get(name, f"backbone.config.{name}")), kind, _size_default(name, default), meaning


def _size_default(name: str, default: str) -> str:
    return "the size's" if default == "required" else default


def _sizes(config: type[BackboneConfig]) -> str:
    sizes = config.sizes  # type: ignore[attr-defined]
    numbers = list(next(iter(sizes.values())))
    body = []
    for name in sizes:
        made = config(size=name)  # type: ignore[call-arg]
        counts = [_count(made, geometry) for geometry in GEOMETRIES.values()]
        default = " (default)" if name == config.default_size else ""  # type: ignore[attr-defined]
        body.append((code(name) + default, *(str(getattr(made, key)).lower() for key in numbers), *counts))
    return table(("size", *(f"{key}:" for key in numbers), *(f"{title}:" for title in GEOMETRIES)), body)


def _count(config: BackboneConfig, geometry: Geometry) -> str:
    count = None if list(config.faults(geometry)) else config.parameters(geometry)
    return NONE if count is None else f"{count:,}"
