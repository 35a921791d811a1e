"""The page of registered objectives: equation, source and keys of each."""

from __future__ import annotations

from generate.words import code, summary, table
from zigbench.cli.keys import COLUMNS, rows
from zigbench.spec import registry
from zigbench.spec.plugins import ObjectiveConfig


def sections() -> str:
    """Return a section for each objective."""
    return "\n".join(_section(name) for name in registry.objectives.names())


def _section(name: str) -> str:
    config: type[ObjectiveConfig] = registry.objectives.get(name)
    parts = [f"## {name}", summary(config)]
    if config.times > 1:
        parts.append(f"Its networks have {config.times} time inputs: {code(f'backbone.config.times={config.times}')}.")
    if config.solver is not None:
        parts.append(f"Its networks are sampled with {code(f'sampler.solver={config.solver}')} alone.")
    own = list(rows(config, "objective.config."))
    return "\n\n".join([*parts, *([table(COLUMNS, own)] if own else [])]) + "\n"
