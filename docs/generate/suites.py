"""Every registered suite: its question, its axes, the quantities that must stay equal, and its number of runs."""

from __future__ import annotations

from collections.abc import Iterator

from generate.words import code, markdown
from zigbench.spec import registry
from zigbench.suite import Axis, Suite, expand


def suites() -> str:
    """A section for each suite."""
    return "\n".join(_section(registry.suites.get(name)) for name in registry.suites.names())


def _section(suite: Suite) -> str:
    lines = [f"## {suite.name}", f"*{suite.question}*", "\n".join(f"- {fact}" for fact in _facts(suite))]
    if suite.contrasts:
        lines += ["The differences it answers from, named beforehand:", "\n".join(_contrasts(suite))]
    return "\n\n".join([*lines, *(markdown(note) for note in suite.notes)]) + "\n"


def _facts(suite: Suite) -> Iterator[str]:
    yield f"runs: {_runs(suite)}"
    yield from (f"varies: {_axis(axis)}" for axis in suite.axes)
    if suite.baseline:
        yield f"compared with: {code(suite.baseline)}"
    yield f"metrics, the first being the one it answers by: {', '.join(map(code, suite.metrics))}"
    if suite.equal:
        yield "equal across arms: " + ", ".join(
            f"{code(key)} " + (f"within {100 * share:g} %" if share else "exactly")
            for key, share in suite.equal.items()
        )
    if suite.published:
        tables = ", ".join(f"[{code(name)}](published.md)" for name in suite.published)
        yield f"beside the published tables: {tables}"
    for name in suite.profiles:
        yield f"profile {code(name)}: {_runs(suite.profile(name))} runs, `zigbench run {suite.name} --profile {name}`"


def _runs(suite: Suite) -> int:
    return sum(1 for _ in expand(suite))


def _axis(axis: Axis) -> str:
    return f"{axis.name} ({', '.join(map(code, axis.points))})"


def _contrasts(suite: Suite) -> Iterator[str]:
    return (f"- {code(c.a)} against {code(c.b)}: {markdown(c.says)}" for c in suite.contrasts)
