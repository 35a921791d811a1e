"""Every key of a spec, with its type, default and meaning, from the models that read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from generate.words import code, default_of, meanings, summary, table, type_of
from zigbench.launch.clusters import Cluster
from zigbench.spec import Resources, RunSpec, ScanSpec
from zigbench.spec.run import TASKS

COLUMNS = ("key", "type", "default", "meaning")
# The part that a family may have no use for.
OPTIONAL = {"scan": ScanSpec}
# The keys of a plug-in's config are the plug-in's own, and listed with it.
PLUGIN_KEYS = {
    "backbone": "`backbone.config.…` holds [the backbone's own keys](backbones.md).",
    "data": "`data.config.…` holds [the data set's own keys](data.md).",
}


def keys() -> str:
    """The keys at the top, then a section for each part."""
    # Shared keys are described by what all tasks have.
    owners: dict[str, type[BaseModel]] = {}
    for run in (RunSpec, *TASKS.values()):
        owners = dict.fromkeys(run.model_fields, run) | owners
    tops, parts = [], []
    for name, run in owners.items():
        part = OPTIONAL.get(name, run.model_fields[name].annotation)
        if isinstance(part, type) and issubclass(part, BaseModel):
            body = table((*COLUMNS, "in the id"), rows(part, f"{name}.", identity=True))
            more = f"\n{PLUGIN_KEYS[name]}\n" if name in PLUGIN_KEYS else ""
            parts.append(f"## {name}\n\n{summary(part)}\n\n{body}{more}")
        else:
            tops += [row for row in rows(run) if row[0] == code(name)]
    return "\n".join([f"## At the top\n\n{table(COLUMNS, tops)}", *parts])


def resources() -> str:
    """The keys of what a run may use."""
    return table(COLUMNS, rows(Resources, "resources."))


def clusters() -> str:
    """The keys of a cluster's profile."""
    return table(COLUMNS, rows(Cluster))


def rows(model: type[BaseModel], prefix: str = "", *, identity: bool = False) -> Iterator[tuple[str, ...]]:
    """A row for each field of a model that is not itself a plug-in's config."""
    said = meanings(model)
    for name, field in model.model_fields.items():
        if name == "config":
            continue
        extra: Any = field.json_schema_extra
        counted = (not isinstance(extra, dict) or extra.get("identity", True),)
        last = ("yes" if counted[0] else "no",) if identity else ()
        kind = "" if _is_part(field.annotation) else type_of(field)
        yield (code(prefix + name), kind, default_of(field) if kind else "", said.get(name, ""), *last)


def _is_part(annotation: Any) -> bool:
    options = (annotation, *getattr(annotation, "__args__", ()))
    return any(isinstance(option, type) and issubclass(option, BaseModel) for option in options)
