"""The page of registered data sets: contents, shape, keys and source of each."""

from __future__ import annotations

from generate.words import summary, table
from zigbench.cli.keys import COLUMNS, rows
from zigbench.spec import DataConfig, registry


def sets() -> str:
    """Return a section for each data set."""
    return "\n".join(_section(name) for name in registry.data.names())


def _section(name: str) -> str:
    config: type[DataConfig] = registry.data.get(name)
    parts = [f"## {name}", summary(config)]
    source = getattr(config, "source", None)
    if source:
        counts = ", ".join(f"{count:,} {split}" for split, count in config.images.items())  # type: ignore[attr-defined]
        what = "clips" if config.clips else "images"  # type: ignore[attr-defined]
        parts.append(f"- {what}: {counts}\n- download by hand: {source}")
    if all(not field.is_required() for field in config.model_fields.values()):
        shape = config().geometry(1)
        sides = "channels×height×width" if shape.frames is None else "frames×channels×height×width"
        facts = ["×".join(map(str, shape.sample_shape)) + f" ({sides})"]
        facts += [f"{shape.classes:,} classes"] if shape.classes else []
        facts += [f"text of {shape.context[0]}×{shape.context[1]}"] if shape.context else []
        parts.append(f"A network sees {', '.join(facts)}.")
    own = list(rows(config, "data.config."))
    return "\n\n".join([*parts, *([table(COLUMNS, own)] if own else [])]) + "\n"
