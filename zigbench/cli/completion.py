"""The completion of a word in a shell: names of plug-ins, ids of runs, profiles, keys of a spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from zigbench.records.sources import Sources
from zigbench.spec import registry
from zigbench.suite import load


def names_of(known: registry.Registry[Any]) -> Callable[[str], list[str]]:
    """Return the completion of a plug-in's name."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in known.names() if name.startswith(incomplete)]

    return complete


def suites(incomplete: str) -> list[str]:
    """Return the registered suites, and the Python files and folders, that begin with a word."""
    folder = Path(incomplete).parent if "/" in incomplete else Path()
    paths = [f"{path}/" if path.is_dir() else str(path) for path in sorted(folder.glob("[!.]*"))] if incomplete else []
    files = [path for path in paths if path.endswith((".py", "/")) and path.startswith(incomplete)]
    return names_of(registry.suites)(incomplete) + files


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the ids, in the places that the line names, that begin with a word."""
    sources = Sources.of(ctx.params.get("results") or [Path("results/runs")])
    folders = {path.parent.name for root in sources.folders for path in root.glob(f"{incomplete}*/spec.json")}
    return sorted(folders | {run.id for pack in sources.packs for run in pack.beginning(incomplete)})


def runs_and_suites(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the suites and the ids that begin with a word."""
    return suites(incomplete) + runs(ctx, incomplete)


def profiles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the profiles of the suite that the line names."""
    # Up to the option without its value the line is no command yet: the parser leaves its other words unread.
    suite = ctx.params.get("suite") or next(iter(ctx.args), None)
    return [name for name in load(suite).profiles if name.startswith(incomplete)] if suite else []


def keys(incomplete: str) -> list[str]:
    """Return the keys of a spec that begin with a word, each with its ``=``."""
    from zigbench.cli.keys import listed

    try:
        return list(dict.fromkeys(f"{key}=" for key, *_ in listed(incomplete)))
    except ValueError:  # No key begins so: there is nothing to offer.
        return []
