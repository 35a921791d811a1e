"""Settings that a publication or its code states, as data beside the suites that ask the same question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zigbench.spec.resources import Resources
from zigbench.spec.run import RunSpec


@dataclass(frozen=True)
class PublishedSetting:
    """A key of a spec, or of ``resources``, with the value that a source states.

    Args:
        key: dotted, as ``training.batch``.
        value: as the spec holds it, or as JSON does.
        source: where it is stated: a section of the paper, a file of the release.
        where: label on each axis of the runs that it is about; empty for all runs of a suite.
    """

    key: str
    value: Any
    source: str
    where: Mapping[str, str] = field(default_factory=dict)

    def holds_for(self, labels: Mapping[str, str]) -> bool:
        """Return whether the setting is about a run with these labels."""
        return all(labels.get(axis) == label for axis, label in self.where.items())

    def ours(self, spec: RunSpec, resources: Resources) -> Any:
        """Return a run's value of the key as JSON holds it; None where the run has no such key."""
        first, *rest = self.key.split(".")
        value: Any = resources if first == "resources" else getattr(spec, first, None)
        for name in rest:
            value = getattr(value, name, None)
        return list(value) if isinstance(value, tuple) else value

    def differs(self, spec: RunSpec, resources: Resources) -> bool:
        """Return whether a run has another value."""
        stated = list(self.value) if isinstance(self.value, tuple) else self.value
        return bool(self.ours(spec, resources) != stated)


Sources = Mapping[str, Sequence[PublishedSetting]]
"""Published settings by the name of their source, ``paper`` or ``release``."""


def settings_of(sources: Sources, name: str, labels: Mapping[str, str]) -> Iterator[PublishedSetting]:
    """Yield the settings of a run by one source, and by the others for the keys on which it is silent.

    Raises:
        ValueError: there is no source of this name.
    """
    if name not in sources:
        known = ", ".join(sources) or "none"
        raise ValueError(f"no published settings by {name!r} to compare with (the suite has: {known})")
    seen: set[str] = set()
    for settings in (sources[name], *(of for other, of in sources.items() if other != name)):
        # The last row of a source that is about a run is the most specific one.
        by_key = {setting.key: setting for setting in settings if setting.holds_for(labels)}
        yield from (setting for key, setting in by_key.items() if key not in seen)
        seen |= by_key.keys()
