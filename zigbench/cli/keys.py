"""Every key of a spec, with its type, default and meaning: as rows for the terminal and as the committed page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from zigbench.launch.clusters import Cluster
from zigbench.spec import Resources, RunSpec, ScanSpec, registry
from zigbench.spec.description import code, default_of, is_part, meanings, summary, table, type_of
from zigbench.spec.plugins import ObjectiveSpec
from zigbench.spec.registry import nearest
from zigbench.spec.run import TASKS

COLUMNS = ("key", "type", "default", "meaning")

OPTIONAL = {"scan": ScanSpec, "objective": ObjectiveSpec}
"""Parts that a run may have no use for."""

PLUGINS = {"backbone": registry.backbones, "data": registry.data, "objective": registry.objectives}
"""Parts whose ``config`` holds the keys of a plug-in."""

PLUGIN_KEYS = {
    "backbone": "`backbone.config.…` holds [the backbone's own keys](backbones.md).",
    "data": "`data.config.…` holds [the data set's own keys](data.md).",
    "objective": "`objective.config.…` holds [the objective's own keys](objectives.md).",
}
"""Where the page lists the keys of plug-ins."""

OPENING = """# Keys of a spec

A run is a spec: these keys, with every default filled in. Write them nested or dotted, in a suite's `base`, on an axis,
or as `--set key=value` on the command line. An unknown key is an error that names the nearest known one; all faults are
listed at once.

A key that is *in the id* defines the run: another value is another run. The others set how it is computed or logged,
and never change a bit of its result.

This page is the output of `zigbench list keys --markdown`.
"""

RESOURCES = """## resources

The resources of a run. They are in a suite's `resources`, and a point of an axis may override it; they are never part
of a run's id.
"""

CLUSTERS = """## Cluster profiles

The keys of a table `[clusters.NAME]` in the file of profiles; see [Run on SLURM](../guides/slurm.md).
"""


def rows(model: type[BaseModel], prefix: str = "", *, identity: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield key, type, default and meaning of each field of a model, in Markdown, but not of a plug-in's config.

    Args:
        model: the model.
        prefix: what stands before each key.
        identity: whether a last cell says if the key is in the id.
    """
    known = meanings(model)
    for name, field in model.model_fields.items():
        if name == "config":
            continue
        extra: Any = field.json_schema_extra
        counted = not isinstance(extra, dict) or extra.get("identity", True)
        last = ("yes" if counted else "no",) if identity else ()
        kind = "" if is_part(field.annotation) else type_of(field)
        yield (code(prefix + name), kind, default_of(field) if kind else "", known.get(name, ""), *last)


def _parts() -> tuple[list[tuple[str, ...]], dict[str, type[BaseModel]]]:
    """Return the rows of the keys at the top of a spec, and the models of its parts by name."""
    # Shared keys are described by what all tasks have.
    runs: list[type[BaseModel]] = [RunSpec, *TASKS.values()]
    owners: dict[str, type[BaseModel]] = {}
    for run in runs:
        owners = dict.fromkeys(run.model_fields, run) | owners
    tops, parts = [], {}
    for name, run in owners.items():
        part: Any = OPTIONAL.get(name, run.model_fields[name].annotation)
        if isinstance(part, type) and issubclass(part, BaseModel):
            parts[name] = part
        else:
            tops += [row for row in rows(run) if row[0] == code(name)]
    return tops, parts


def page() -> str:
    """Return the reference of all keys as Markdown."""
    tops, parts = _parts()
    sections = [OPENING, f"## At the top\n\n{table(COLUMNS, tops)}"]
    for name, part in parts.items():
        body = table((*COLUMNS, "in the id"), rows(part, f"{name}.", identity=True))
        more = f"\n{PLUGIN_KEYS[name]}\n" if name in PLUGIN_KEYS else ""
        sections.append(f"## {name}\n\n{summary(part)}\n\n{body}{more}")
    sections += [f"{RESOURCES}\n{table(COLUMNS, rows(Resources, 'resources.'))}"]
    return "\n".join([*sections, f"{CLUSTERS}\n{table(COLUMNS, rows(Cluster))}"])


def listed(prefix: str) -> list[tuple[str, ...]]:
    """Return key, type, default and meaning of the keys that begin with ``prefix``, as plain text.

    The keys of plug-ins' configs are among them, each with the plug-in's name.

    Raises:
        ValueError: no key begins so.
    """
    tops, parts = _parts()
    every = [*tops, *(row for name, part in parts.items() for row in rows(part, f"{name}."))]
    every += rows(Resources, "resources.")
    for name, known in PLUGINS.items():
        for plugin in known.names():
            own = rows(known.get(plugin), f"{name}.config.")
            every += [(key, kind, default, f"({plugin}) {meaning}") for key, kind, default, meaning in own]
    plain = [tuple(cell.replace("`", "") for cell in row) for row in every]
    chosen = [row for row in plain if row[0].startswith(prefix)]
    if not chosen:
        near = nearest(prefix, [row[0] for row in plain])
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(f"no key begins with {prefix!r}: {hint}`zigbench list keys` lists all")
    return chosen
