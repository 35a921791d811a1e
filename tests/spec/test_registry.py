"""Laws of the registry: names cost no import, and every way of going wrong names its cause."""

from __future__ import annotations

import importlib
import importlib.metadata
import os

import pytest

from zigbench.spec import registry
from zigbench.spec.registry import BrokenPluginError, CollisionError, Registry, UnknownNameError, load_plugin


@pytest.fixture
def points(monkeypatch):
    """Pretend that packages offer these entry points: {name: value} or {name: [values]}."""

    def offer(group: str, **values: str | list[str]) -> Registry:
        found = tuple(
            importlib.metadata.EntryPoint(name, value, group)
            for name, given in values.items()
            for value in ([given] if isinstance(given, str) else given)
        )
        monkeypatch.setitem(registry._group_cache, group, found)
        return Registry("thing", group)

    return offer


def test_names_do_not_import(points):
    things = points("test.a", good="json:dumps", broken="no_such_module:x")
    assert things.names() == ["broken", "good"]


def test_get_imports_what_is_asked_for(points):
    import json

    assert points("test.a", good="json:dumps").get("good") is json.dumps


def test_unknown_name_lists_the_known_and_the_nearest(points):
    with pytest.raises(UnknownNameError, match=r"'hilbrt'; did you mean 'hilbert'\? \(known: hilbert, sweep\)"):
        points("test.a", hilbert="json:dumps", sweep="json:loads").get("hilbrt")


def test_a_broken_plugin_is_named_and_takes_no_other_down(points):
    things = points("test.a", good="json:dumps", broken="no_such_module:x", half="json:no_such_attribute")
    with pytest.raises(BrokenPluginError, match=r"'broken' is installed as no_such_module:x"):
        things.get("broken")
    with pytest.raises(BrokenPluginError, match="no_such_attribute"):
        things.get("half")
    assert callable(things.get("good"))


def test_a_collision_names_both_sides(points):
    things = points("test.a", twice=["json:dumps", "json:loads"])
    with pytest.raises(CollisionError, match=r"json:dumps .* and json:loads"):
        things.get("twice")


def test_registering_a_taken_name_is_a_collision():
    things: Registry = Registry("thing", "test.none")

    @things.register("a")
    def first():
        """The first."""

    with pytest.raises(CollisionError, match=r"two things are called 'a'.*first.*second"):

        @things.register("a")
        def second():
            """The second."""

    assert things.get("a") is first


def test_registering_the_same_object_again_is_not():
    things: Registry = Registry("thing", "test.none")
    for _ in range(2):
        things.register("a")(test_names_do_not_import)
    assert things.names() == ["a"]


def test_a_plugin_file_is_inherited_by_children(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "")
    file = tmp_path / "mine.py"
    file.write_text("VALUE = 7\n")
    assert load_plugin(str(file)).VALUE == 7
    assert os.environ[registry.PLUGINS_VARIABLE] == str(file)
    assert load_plugin(str(file)) is load_plugin(str(file))


FAULTS = ["import no_such_module", "1 +", "x = undefined_name", "{}['key']", "1 / 0", "raise RuntimeError('no')"]


@pytest.mark.parametrize("text", FAULTS)
def test_a_plugin_that_fails_to_import_is_named(tmp_path, monkeypatch, points, text):
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(BrokenPluginError, match=r"bad\.py cannot be imported") as caught:
        load_plugin(str(file))
    assert caught.value.__cause__ is not None
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BrokenPluginError, match=r"'broken' is installed as bad:x"):
        points("test.a", broken="bad:x").get("broken")


def test_a_module_without_attribute_registers_its_plugins(tmp_path, monkeypatch, points):
    (tmp_path / "many_things.py").write_text(
        "from tests.spec.test_registry import CURRENT\nfor name in ('a', 'b'):\n    CURRENT[0].register(name)(len)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    things = points("test.m", many="many_things", broken="no_such_module")
    monkeypatch.setitem(CURRENT, 0, things)
    assert things.names() == ["a", "b", "broken"]
    assert things.get("a") is len
    with pytest.raises(BrokenPluginError, match=r"'broken' is installed as no_such_module"):
        things.get("broken")


CURRENT: dict[int, Registry] = {}


def test_each_module_of_a_package_is_a_plugin_of_its_name(tmp_path, monkeypatch):
    package = tmp_path / "some_things"
    package.mkdir()
    for name, text in {"__init__": "", "good": "thing = 7", "broken": "1 / 0", "_shared": "thing = 8"}.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    things: Registry = Registry("thing", "test.none")
    things.discover(importlib.import_module("some_things"), "thing")
    assert things.names() == ["broken", "good"]
    assert things.get("good") == 7
    with pytest.raises(BrokenPluginError, match="division by zero"):
        things.get("broken")
