"""The plan that a command line describes, and the page of a suite."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from zigbench import launch
from zigbench.cli.options import RUNS
from zigbench.launch import Plan
from zigbench.records.imported import imported
from zigbench.records.sources import Sources
from zigbench.spec import EvaluationRun, registry
from zigbench.spec.overrides import flatten, parse_assignment
from zigbench.suite import Cell, Suite, add_arm, expand, load, override


def make_plan(
    name: str,
    profile: str | None,
    only: Sequence[str] | None,
    set_: Sequence[str] | None,
    retry: Sequence[str] | None,
    results: Sequence[Path],
    arms: Sequence[str] | None = None,
) -> tuple[Suite, Plan]:
    """Return a suite and the plan of its runs; the arguments are the options of the commands.

    Raises:
        ValueError: an unknown suite, profile or key, or a choice that no run matches.
    """
    suite, overrides = load(name).profile(profile), dict(map(parse_assignment, set_ or ()))
    if suite.files:
        suite = suite.with_weights(imported(results[0].parent))
    for arm in arms or ():
        suite = add_arm(suite, arm)
    suite = override(suite, overrides)
    cells = list(expand(suite, overrides, only or ()))
    if not cells:
        raise ValueError(f"no run of {name} matches {' and '.join(only or ())}{_values(suite, overrides, only or ())}")
    return suite, launch.plan(cells, results, retry or ())


def _values(suite: Suite, overrides: Mapping[str, Any], only: Sequence[str]) -> str:
    """Return the values that the keys of conditions have in the suite's runs, as the end of a sentence."""
    keys = [key for key in (text.partition("=")[0].strip() for text in only) if "." in key]
    facts = [flatten(cell.spec.resolved()) for cell in expand(suite, overrides)]
    values = {key: dict.fromkeys(str(of[key]) for of in facts if key in of) for key in keys}
    return "".join(
        f"; {key} is one of {', '.join(each)}" if each else f"; no run has {key}" for key, each in values.items()
    )


def refuse_unlike_data(planned: Plan) -> None:
    """Raise ValueError where the data that are prepared here are not those of the planned runs."""
    from zigbench.data.latents.index import refuse_unlike  # numpy

    for config in {item.cell.spec.data.model_dump_json(): item.cell.spec.data.config for item in planned.todo}.values():
        refuse_unlike(config)


def missing_weights(suite: Suite, planned: Plan) -> list[str]:
    """Return a sentence for each released file that planned runs need and that is not imported."""
    specs = [item.cell.spec for item in planned.todo if isinstance(item.cell.spec, EvaluationRun)]
    return [suite.files[spec.weights].advice(spec.weights, spec) for spec in specs if spec.weights in suite.files]


def refuse_missing_weights(suite: Suite, planned: Plan) -> None:
    """Raise ValueError where released files are not imported, or where all runs need others and none is done."""
    begun = planned.todo or any(item.state == "ok" for item in planned.items)
    if sentences := missing_weights(suite, planned) or ([] if begun else blocked_runs(suite, planned)):
        raise ValueError("; ".join(dict.fromkeys(sentences)))


def words_of(suite: Suite) -> list[str]:
    """Return the words that name a suite on a command line, its profile with it."""
    name, _, profile = suite.name.partition("-")
    return [name, *(["--profile", profile] if profile else [])]


def blocked_runs(suite: Suite, planned: Plan) -> list[str]:
    """Return a sentence on the runs that need the weights of runs that are not done; none where there are none."""
    blocked = [item for item in planned.items if item.blocked]
    if not blocked:
        return []
    train = ""
    if suite.networks is not None:
        train = f"; `zigbench run {' '.join(words_of(suite.networks))}` trains the networks"
    count = f"{len(blocked)} runs are" if len(blocked) > 1 else "1 run is"
    return [f"{count} blocked: {blocked[0].cell.name} {blocked[0].blocked}{train}"]


def cells_of_page(suite: Suite, planned: Plan, only: Sequence[str] | None, set_: Sequence[str] | None) -> list[Cell]:
    """Return the cells of a page: the suite's own page is of all its runs, even where a command was for a part.

    A page of overridden runs stands beside it (see :func:`zigbench.suite.override`), and shows the runs of the command.
    """
    return [item.cell for item in planned.items] if set_ or not only else list(expand(suite))


def command(context: typer.Context, verb: str, *flags: str) -> str:
    """Return the command line, for a shell, that does ``verb`` with the runs of the present command."""
    assert context.parent is not None
    given = context.params
    options = {
        "--profile": [given["profile"]] if given["profile"] else (),
        "--arm": given["arm"] or (),
        "--only": given["only"] or (),
        "--set": given["set_"] or (),
        "--results": [] if given["results"] == RUNS else list(map(str, given["results"])),
    }
    plugins = [word for plugin in context.parent.params["plugin"] or () for word in ("--plugin", plugin)]
    words = [word for option, values in options.items() for value in values for word in (option, value)]
    return shlex.join(["zigbench", *plugins, verb, given["suite"], *words, *flags])


def recorded_suites(sources: Sources) -> tuple[list[tuple[Suite, list[Cell]]], list[str]]:
    """Return the registered suites and profiles with a record, with their cells, and a sentence on each broken one."""
    known: list[tuple[Suite, list[Cell]]] = []
    broken = []
    weights = {file: digest for root in sources.folders for file, digest in imported(root.parent).items()}
    for name in registry.suites.names():
        try:
            suite = load(name).with_weights(weights)
            profiles = [suite.profile(profile) for profile in (None, *suite.profiles)]
            expanded = [(profile, list(expand(profile))) for profile in profiles]
        except ValueError as error:  # The other suites are not affected.
            broken.append(f"the suite {name!r}: {error}")
        else:
            known += [item for item in expanded if any(sources.holds(cell.spec.id) for cell in item[1])]
    return known, broken


def packed_suites(sources: Sources, known: Sequence[Suite]) -> tuple[list[tuple[Suite, list[Cell]]], list[str]]:
    """Return the suites that packs define and this machine does not know, as :func:`recorded_suites` does."""
    from zigbench.report.packed import packed_names, packed_suite  # pandas

    registered = {suite.name for suite in known} | set(registry.suites.names())
    suites, broken = [], []
    for name in packed_names(sources):
        if name not in registered and name.partition("-")[0] not in registered:
            try:
                suites.append(packed_suite(sources, name))
            except ValueError as error:
                broken.append(f"the suite {name!r} of a pack: {error}")
    return suites, broken


def write_report(
    suite: Suite, cells: list[Cell], results: Sequence[Path], reports: Path, run_pages: bool = False
) -> Path:
    """Write a suite's page and return its path."""
    from zigbench.report import write  # pandas

    line = shlex.join(["zigbench", *sys.argv[1:]])
    return write(suite, cells, root=results, out=reports / suite.name, command=line, run_pages=run_pages)
