"""Lookup of plug-ins by name: lazy, one plug-in at a time, with errors that name the cause.

A broken plug-in is reported when it is looked up; the other plug-ins are not affected. Plug-ins come from five sources,
the first four of them equal:

- objects registered in this process by decorator, the engine's built-in ones among them;
- entry points of installed packages in the registry's group (``zigbench.backbones`` and so on). One with an attribute
  (``package.module:Class``) is a plug-in and is imported when it is looked up; one without (``package.module``) is a
  module that registers any number of plug-ins when it is imported, before the first lookup;
- modules of a package, each a plug-in of the module's name (:meth:`Registry.discover`);
- files and modules named in the environment variable ``ZIGBENCH_PLUGINS`` (separated like ``PATH``), which register
  by decorator when they are imported, before the first lookup. Worker processes and submitted jobs inherit it;
- files and modules that a folder of runs remembers (:func:`recall_plugins`), imported when a name is looked up that no
  other source has.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from zigbench.spec.files import digest_of, sha256

T = TypeVar("T")

PLUGINS_VARIABLE = "ZIGBENCH_PLUGINS"


class UnknownNameError(ValueError):
    """A name that no plug-in has. The message lists the known names and the nearest one."""


class CollisionError(ValueError):
    """Two plug-ins of one kind, or two packages, with the same name. The message names both sides."""


class EditedPluginWarning(UserWarning):
    """A plug-in that was edited since runs were made with it, and whose name in their specs is the same."""


@dataclass(frozen=True)
class Recalled:
    """A note of a folder of runs on a plug-in.

    Attributes:
        place: the folder.
        digest: of the plug-in when the last of the runs was begun, as :func:`plugin_digest`.
        trusted: whether the note is this user's: importing a plug-in runs its code.
    """

    place: str
    digest: str
    trusted: bool = True


class BrokenPluginError(ValueError):
    """A plug-in that exists and can't be imported. The message names it and the cause."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str | None:
    """Return the known name closest in spelling to ``name``, or None when nothing is near."""
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return matches[0] if matches else None


def add_member(members: dict[str, Any], name: str, member: object, kind: str) -> None:
    """Add a member to the table of its kind, such as a path to the paths.

    Args:
        members: the table, by name.
        name: of the member.
        member: what the name stands for; adding it again is no fault.
        kind: plural, for the message ("paths").

    Raises:
        CollisionError: the name stands for another member.
    """
    if members.setdefault(name, member) != member:
        raise CollisionError(f"two {kind} are called {name!r}; rename one")


def load_object(reference: str) -> Any:
    """Import ``"package.module:attribute"`` and return the attribute."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Registry(Generic[T]):
    """All plug-ins of one kind.

    Args:
        kind: the plug-ins' kind in the singular, for messages ("curve").
        group: the entry-point group to read ("zigbench.curves").
        home: the engine's module that registers the built-in plug-ins, imported before the first lookup.

    Attributes:
        adapt: function applied to a plug-in when it is looked up, set by the module that owns the kind; None for none.
    """

    def __init__(self, kind: str, group: str, home: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self.home = home
        self.adapt: Callable[[Any], T] | None = None
        self._registered: dict[str, tuple[T, str]] = {}
        self._modules: dict[str, str] = {}
        self._points: tuple[object, dict[str, list[importlib.metadata.EntryPoint]]] = (None, {})
        self._looked_up: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds an object of this process under ``name``.

        Raises:
            CollisionError: another object already has the name.
        """

        def add(obj: T) -> T:
            home = f"{getattr(obj, '__module__', '?')}:{getattr(obj, '__qualname__', repr(obj))}"
            other = self._registered.get(name, (obj, home))[1]
            if other != home:
                raise CollisionError(f"two {self.kind}s are called {name!r}: {other} and {home}; rename one")
            self._registered[name] = (obj, home)
            self._looked_up.clear()
            return obj

        return add

    def discover(self, package: ModuleType, attribute: str) -> None:
        """Add every module of a package, imported when it is looked up.

        Args:
            package: its modules are plug-ins of the modules' names; names that begin with "_" are left out.
            attribute: the name under which each module holds its plug-in.
        """
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                self._modules[module.name] = f"{package.__name__}.{module.name}:{attribute}"
        self._looked_up.clear()

    def names(self) -> list[str]:
        """Return all names, sorted; no plug-in with a name of its own is imported."""
        self._load()
        return sorted({*self._registered, *self._modules, *self._entry_points()})

    def holds(self, name: str) -> bool:
        """Return whether a plug-in has a name; recalled plug-ins are imported where no other has it."""
        return name in self.names() or (import_recalled() and name in self.names())

    def get(self, name: str) -> T:
        """Return the plug-in called ``name`` and import it if need be.

        Raises:
            UnknownNameError: no plug-in has the name.
            CollisionError: more than one has it.
            BrokenPluginError: it can't be imported.
        """
        self._load()
        if name in self._looked_up:
            return self._looked_up[name]
        sources: list[tuple[str, Callable[[], T]]] = []
        if name in self._registered:
            obj, home = self._registered[name]
            sources.append((f"{home} (registered in this process)", lambda: obj))
        if name in self._modules:
            reference = self._modules[name]
            sources.append((reference, lambda: load_object(reference)))
        # An installed plug-in that is also registered in this process is one plug-in, not two.
        homes = {side.partition(" ")[0] for side, _ in sources}
        points = [point for point in self._entry_points().get(name, []) if point.value not in homes]
        sources += [(_origin(point), point.load) for point in points]
        if len(sources) > 1:
            sides = " and ".join(side for side, _ in sources)
            raise CollisionError(f"two {self.kind}s are called {name!r}: {sides}; remove or rename one")
        if not sources and import_recalled():
            return self.get(name)
        if not sources:
            known = self.names()
            near = nearest(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            message = f"unknown {self.kind} {name!r}{hint} (known: {', '.join(known) or 'none'})"
            raise UnknownNameError("; ".join([message, *_missing]))
        side, load = sources[0]
        try:
            plugin = load()
        except Exception as error:  # A plug-in can raise any error while it is imported; the message names it.
            cause = f"{type(error).__name__}: {error}"
            raise BrokenPluginError(
                f"the {self.kind} {name!r} is installed as {side} but cannot be imported: {cause}"
            ) from error
        self._looked_up[name] = plugin if self.adapt is None else self.adapt(plugin)
        return self._looked_up[name]

    def _load(self) -> None:
        if self.home is not None and self.home not in sys.modules:
            importlib.import_module(self.home)
        self._entry_points()  # Imports the modules that register plug-ins.
        load_plugins()

    def _entry_points(self) -> Mapping[str, list[importlib.metadata.EntryPoint]]:
        """Return the installed plug-ins by name; modules that register plug-ins are imported and left out."""
        points = _entry_points(self.group)
        if self._points[0] is not points:
            by_name: dict[str, list[importlib.metadata.EntryPoint]] = {}
            for point in points:
                # A checkout on the path, besides its installed metadata, lists the same entry point twice.
                if all(point.value != other.value for other in by_name.get(point.name, [])):
                    by_name.setdefault(point.name, []).append(point)
            for point in points:
                if point.dist is not None and point.dist.name == "zigbench":
                    _check_own(point.module.partition(".")[0])
            self._points = (points, by_name)
            self._looked_up.clear()
            for name, same in list(by_name.items()):
                by_name[name] = [point for point in same if point.attr or not _imports(point.module)]
                if not by_name[name]:
                    del by_name[name]
        return self._points[1]


@cache
def _check_own(package: str) -> None:
    """Check that Python imports this project's package by its name, since the names are common.

    Raises:
        CollisionError: it imports another package. The message names both.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    own = Path(__file__).resolve().parents[2] / package
    places = [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin or "?"]]
    if own not in places:
        raise CollisionError(
            f"Python imports another package {package!r}, from {places[0]}, instead of zigbench's own in {own}: "
            f"rename it, uninstall it, or take {places[0].parent} off PYTHONPATH"
        )


def _imports(module: str) -> bool:
    """Import a module that registers plug-ins; one that fails stays listed as a plug-in, broken when looked up."""
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True


_group_cache: dict[str, tuple[importlib.metadata.EntryPoint, ...]] = {}


def _entry_points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    # Reading installed metadata costs milliseconds a call; it does not change while a process runs.
    if group not in _group_cache:
        _group_cache[group] = tuple(importlib.metadata.entry_points(group=group))
    return _group_cache[group]


@cache
def _origin(point: importlib.metadata.EntryPoint) -> str:
    """Describe where an installed plug-in comes from."""
    return f"{point.value} (installed by {point.dist.name if point.dist else 'an unknown package'})"


_loaded_plugins: dict[str, ModuleType] = {}


_digests: dict[str, str] = {}


_recalled: dict[str, Recalled] = {}


_missing: list[str] = []
"""Sentences on recalled plug-ins that can't be imported."""


def _plugin_key(name: str) -> str:
    return str(Path(name).resolve()) if name.endswith(".py") else name


def plugin_source(name: str) -> Path:
    """Return the file of a plug-in, or the folder of the package that it is a module of; a module is imported already.

    Args:
        name: a path that ends in .py, or a module's dotted name.
    """
    if name.endswith(".py"):
        return Path(name).resolve()
    package = sys.modules[name.partition(".")[0]]
    return Path(next(iter(getattr(package, "__path__", ())), getattr(package, "__file__", None) or name)).resolve()


def plugin_digest(name: str) -> str:
    """Return 16 digits for the present content of a plug-in's Python files; argument as :func:`plugin_source`.

    Raises:
        OSError: there is no such file.
    """
    source = plugin_source(name)
    files = sorted(source.rglob("*.py")) if source.is_dir() else [source.resolve(strict=True)]
    return digest_of(source.parent, [file.relative_to(source.parent).as_posix() for file in files])


def imported_digest(name: str) -> str:
    """Return the digest that an imported plug-in had when it was imported; argument as :func:`plugin_source`."""
    return _digests[_plugin_key(name)]


def plugins_in_use() -> list[str]:
    """Return the imported plug-ins that ``ZIGBENCH_PLUGINS`` names: the full path of a file, or a module's name."""
    names = os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep)
    return sorted({key for name in names if (key := _plugin_key(name)) in _digests})


def plugin_digests() -> dict[str, str]:
    """Return the digests that plug-ins had when they were imported, by the name of their file or module."""
    digests: dict[str, str] = {}
    for name, digest in sorted((Path(key).name if key.endswith(".py") else key, _digests[key]) for key in _digests):
        digests[name] = f"{digests[name]}+{digest}" if name in digests else digest
    return digests


def load_plugins() -> None:
    """Import the files and modules in ``ZIGBENCH_PLUGINS`` that are not imported yet.

    Raises:
        BrokenPluginError: a file that does not exist, or a module that fails to import.
    """
    variable = os.environ.get(PLUGINS_VARIABLE)
    if not variable:
        return
    for name in filter(None, variable.split(os.pathsep)):
        if name not in _loaded_plugins:
            load_plugin(name)


def load_plugin(name: str) -> ModuleType:
    """Import one plug-in: a path that ends in .py, or a module's dotted name.

    A file is also added to ``ZIGBENCH_PLUGINS``, so that this process's workers know its plug-ins.

    Raises:
        BrokenPluginError: the file does not exist, or importing it fails.
    """
    key = _plugin_key(name)
    if key in _loaded_plugins:
        return _loaded_plugins[key]
    try:
        if name.endswith(".py"):
            module_name = f"zigbench_plugin_{sha256(key)[:8]}_{Path(key).stem}"
            spec = importlib.util.spec_from_file_location(module_name, key)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            # Marked as loaded before it runs: a plug-in that looks up a name must not load itself again.
            _loaded_plugins[key] = _loaded_plugins[name] = module
            _digests[key] = plugin_digest(key)
            spec.loader.exec_module(module)
        else:
            module = _loaded_plugins[key] = importlib.import_module(name)
            _digests[key] = plugin_digest(key)
    except Exception as error:
        _loaded_plugins.pop(key, None)
        _loaded_plugins.pop(name, None)
        raise BrokenPluginError(f"the plug-in {name} cannot be imported: {type(error).__name__}: {error}") from error
    listed = [p for p in os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep) if p]
    if key not in listed and name not in listed:
        os.environ[PLUGINS_VARIABLE] = os.pathsep.join([*listed, key])
    return module


def recall_plugins(plugins: Mapping[str, Recalled]) -> None:
    """Import these plug-ins when a name is looked up that is not known yet.

    Args:
        plugins: by file or module.
    """
    _recalled.update({name: note for name, note in plugins.items() if name not in _loaded_plugins})


def import_recalled() -> bool:
    """Import the recalled plug-ins; return whether there was one that was not imported before.

    One that can't be imported, or that another user's note names, is named where a name is not known: it may be the one
    that has it. One that was edited since is warned of.
    """
    waiting = dict(_recalled)
    _recalled.clear()
    for name, note in waiting.items():
        if not note.trusted:
            _missing.append(
                f"another user's runs in {note.place} were made with {name}: to run its code, name it with --plugin"
            )
            continue
        try:
            load_plugin(name)
        except BrokenPluginError as error:
            _missing.append(f"{error} (runs in {note.place} were made with it; if it has moved, name it with --plugin)")
        else:
            warn_of_edit(name, note)
    return any(note.trusted for note in waiting.values())


def warn_of_edit(name: str, note: Recalled) -> None:
    """Warn where an imported plug-in is not what runs were made with."""
    if note.digest != imported_digest(name):
        warnings.warn(
            f"{name} was edited since runs in {note.place} were made with it. Those that are recorded keep their "
            "figures and are not done again; give what has changed another name to compare both",
            EditedPluginWarning,
            stacklevel=2,
        )


backbones: Registry[Any] = Registry("backbone", "zigbench.backbones")
curves: Registry[Any] = Registry("scan curve", "zigbench.curves", home="zigbench.scan")
volumes: Registry[Any] = Registry("3D scan curve", "zigbench.curves_3d", home="zigbench.scan")
data: Registry[Any] = Registry("data set", "zigbench.data", home="zigbench.data.builtin")
objectives: Registry[Any] = Registry("objective", "zigbench.objectives", home="zigbench.objectives.config")
suites: Registry[Any] = Registry("suite", "zigbench.suites")
metrics: Registry[Any] = Registry("metric", "zigbench.metrics", home="zigbench.evaluation.metrics.catalogue")
releases: Registry[Any] = Registry("release", "zigbench.releases")
exports: Registry[Any] = Registry("export", "zigbench.exports", home="zigbench.runs.weights")
diagnostics: Registry[Any] = Registry("diagnostic", "zigbench.diagnostics")
inspections: Registry[Any] = Registry("inspection", "zigbench.inspections")
