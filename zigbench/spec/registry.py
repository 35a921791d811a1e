"""Lookup by name over entry points: lazy, one plug-in at a time, and clear about what went wrong.

A registry knows the names of its plug-ins without importing any of them; a plug-in is imported when it is
asked for, so a broken one is named then and takes no other down. Four sources, all equal:

- entry points of installed packages, in the registry's group (``zigbench.backbones`` and so on);
- objects registered in this process by decorator;
- files and modules named in the environment variable ``ZIGBENCH_PLUGINS`` (separated like ``PATH``),
  imported before the first lookup and register by decorator. Worker processes and submitted jobs inherit it.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

PLUGINS_VARIABLE = "ZIGBENCH_PLUGINS"


class UnknownNameError(ValueError):
    """A name that no plug-in has. The message lists the known names and the nearest one."""


class CollisionError(ValueError):
    """Two plug-ins of one kind with the same name. The message names both sides."""


class BrokenPluginError(ValueError):
    """A plug-in that exists and can't be imported. The message names it and the cause."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str | None:
    """The known name closest in spelling to ``name``, or None when nothing is near."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return found[0] if found else None


def load_object(reference: str) -> Any:
    """Import ``"package.module:attribute"`` and return the attribute."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Registry(Generic[T]):
    """Plug-ins of one kind.

    Args:
        kind: what the plug-ins are, in the singular, for messages ("curve").
        group: the entry-point group to read ("zigbench.curves").
        home: module that registers the built-in ones by decorator, imported at the first lookup.
    """

    def __init__(self, kind: str, group: str, home: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self.home = home
        self._registered: dict[str, tuple[T, str]] = {}
        self._by_name: tuple[object, dict[str, list[importlib.metadata.EntryPoint]]] = (None, {})

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that adds an object of this process under ``name``.

        Raises:
            CollisionError: another object already has the name.
        """

        def add(obj: T) -> T:
            home = f"{getattr(obj, '__module__', '?')}:{getattr(obj, '__qualname__', repr(obj))}"
            other = self._registered.get(name, (obj, home))[1]
            if other != home:
                raise CollisionError(f"two {self.kind}s are called {name!r}: {other} and {home}; rename one")
            self._registered[name] = (obj, home)
            return obj

        return add

    def names(self) -> list[str]:
        """All names, sorted; imports no plug-in."""
        self._load()
        return sorted({*self._registered, *self._entry_points()})

    def get(self, name: str) -> T:
        """The plug-in called ``name``, imported now if it was not.

        Raises:
            UnknownNameError: no plug-in has the name.
            CollisionError: more than one has it.
            BrokenPluginError: it can't be imported.
        """
        self._load()
        points = self._entry_points().get(name, [])
        sides = [_side(point) for point in points]
        if name in self._registered:
            obj, home = self._registered[name]
            sides = [s for s in sides if not s.startswith(f"{home} ")]
            if not sides:
                return obj
            sides.append(f"{home} (registered in this process)")
        if len(sides) > 1:
            raise CollisionError(f"two {self.kind}s are called {name!r}: {' and '.join(sides)}; remove or rename one")
        if not points:
            known = self.names()
            near = nearest(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            raise UnknownNameError(f"unknown {self.kind} {name!r}{hint} (known: {', '.join(known) or 'none'})")
        try:
            loaded: T = points[0].load()
        except Exception as error:  # Whatever a plug-in raises while it is imported, it is the plug-in that is broken.
            raise BrokenPluginError(
                f"the {self.kind} {name!r} is installed as {sides[0]} but can't be imported: "
                f"{type(error).__name__}: {error}"
            ) from error
        return loaded

    def _load(self) -> None:
        if self.home is not None:
            importlib.import_module(self.home)
        load_plugins()

    def _entry_points(self) -> Mapping[str, list[importlib.metadata.EntryPoint]]:
        points = _entry_points(self.group)
        if self._by_name[0] is not points:
            found: dict[str, list[importlib.metadata.EntryPoint]] = {}
            for point in points:
                # A checkout on the path beside its installed metadata lists the same point twice.
                if all(point.value != other.value for other in found.get(point.name, [])):
                    found.setdefault(point.name, []).append(point)
            self._by_name = (points, found)
        return self._by_name[1]


_group_cache: dict[str, tuple[importlib.metadata.EntryPoint, ...]] = {}


def _entry_points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    # Reading installed metadata costs milliseconds a call; what is installed does not change under a process.
    if group not in _group_cache:
        _group_cache[group] = tuple(importlib.metadata.entry_points(group=group))
    return _group_cache[group]


@cache
def _side(point: importlib.metadata.EntryPoint) -> str:
    """Where an installed plug-in comes from, in words; a package's name is parsed from all of its metadata."""
    return f"{point.value} (installed by {point.dist.name if point.dist else 'an unknown package'})"


_loaded_plugins: dict[str, ModuleType] = {}


def load_plugins() -> None:
    """Import what ``ZIGBENCH_PLUGINS`` names and has not been imported yet.

    Raises:
        BrokenPluginError: a file that does not exist, or a module that fails to import.
    """
    for name in filter(None, os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep)):
        if name not in _loaded_plugins:
            load_plugin(name)


def load_plugin(name: str) -> ModuleType:
    """Import one plug-in: a path that ends in .py, or a module's dotted name.

    A file is also added to ``ZIGBENCH_PLUGINS``, so that this process's workers know what it registers.

    Raises:
        BrokenPluginError: the file does not exist, or importing it fails.
    """
    key = str(Path(name).resolve()) if name.endswith(".py") else name
    if key in _loaded_plugins:
        return _loaded_plugins[key]
    try:
        if name.endswith(".py"):
            module_name = f"zigbench_plugin_{hashlib.sha256(key.encode()).hexdigest()[:8]}_{Path(key).stem}"
            found = importlib.util.spec_from_file_location(module_name, key)
            assert found is not None
            assert found.loader is not None
            module = importlib.util.module_from_spec(found)
            sys.modules[module_name] = module
            # Marked as loaded before it runs: a plug-in that looks a name up must not load itself again.
            _loaded_plugins[key] = _loaded_plugins[name] = module
            found.loader.exec_module(module)
        else:
            module = _loaded_plugins[key] = importlib.import_module(name)
    except Exception as error:
        _loaded_plugins.pop(key, None)
        _loaded_plugins.pop(name, None)
        raise BrokenPluginError(f"the plug-in {name} can't be imported: {type(error).__name__}: {error}") from error
    listed = [p for p in os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep) if p]
    if key not in listed and name not in listed:
        os.environ[PLUGINS_VARIABLE] = os.pathsep.join([*listed, key])
    return module


backbones: Registry[Any] = Registry("backbone", "zigbench.backbones")
curves: Registry[Any] = Registry("scan curve", "zigbench.curves", home="zigbench.scan")
volumes: Registry[Any] = Registry("3D scan curve", "zigbench.curves_3d", home="zigbench.scan")
data: Registry[Any] = Registry("data set", "zigbench.data")
suites: Registry[Any] = Registry("suite", "zigbench.suites")
metrics: Registry[Any] = Registry("metric", "zigbench.metrics")
releases: Registry[Any] = Registry("release", "zigbench.releases")
diagnostics: Registry[Any] = Registry("diagnostic", "zigbench.diagnostics")
inspections: Registry[Any] = Registry("inspection", "zigbench.inspections")
