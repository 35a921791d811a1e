"""The plug-ins that a folder of runs remembers: noted once, recalled where a name is not known."""

from __future__ import annotations

import json

import pytest

from zigbench.records import plugins
from zigbench.records.plugins import recall, remember
from zigbench.spec import registry
from zigbench.spec.registry import EditedPluginWarning, UnknownNameError, load_plugin


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An imported plug-in file, the only one."""
    for table in ("_loaded_plugins", "_digests", "_recalled"):
        monkeypatch.setattr(registry, table, {})
    monkeypatch.setattr(registry, "_missing", [])
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "")
    file = tmp_path / "mine.py"
    file.write_text("VALUE = 7\n")
    load_plugin(str(file))
    return file


def notes(root):
    return [json.loads(path.read_bytes()) for path in (root / plugins.FOLDER).glob("*.json")]


def test_a_plugin_is_noted_once_and_recalled(plugin, tmp_path, monkeypatch):
    root = tmp_path / "runs"
    remember(root)
    remember(root)
    assert [note["plugin"] for note in notes(root)] == [str(plugin)]
    recall([root])
    assert not registry.import_recalled()  # It is imported.
    monkeypatch.setattr(registry, "_loaded_plugins", {})
    recall([root, tmp_path / "no_folder"])
    assert registry.import_recalled()
    assert registry._loaded_plugins[str(plugin)].VALUE == 7


def test_an_edited_plugin_is_warned_of_once(plugin, tmp_path, monkeypatch):
    remember(tmp_path)
    plugin.write_text("VALUE = 8\n")
    for table in ("_loaded_plugins", "_digests"):
        monkeypatch.setattr(registry, table, {})
    load_plugin(str(plugin))
    with pytest.warns(EditedPluginWarning, match=r"mine\.py was edited since runs in"):
        remember(tmp_path)
    remember(tmp_path)
    assert len(notes(tmp_path)) == 1


def test_a_plugin_that_was_edited_is_warned_of_when_it_is_recalled(plugin, tmp_path, monkeypatch):
    remember(tmp_path)
    plugin.write_text("VALUE = 8\n")
    for table in ("_loaded_plugins", "_digests"):
        monkeypatch.setattr(registry, table, {})
    recall([tmp_path])
    with pytest.warns(EditedPluginWarning, match=r"mine\.py was edited since runs in"):
        assert registry.import_recalled()


def test_the_note_of_another_user_runs_no_code(plugin, tmp_path, monkeypatch):
    remember(tmp_path)
    monkeypatch.setattr(registry, "_loaded_plugins", {})
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "")
    monkeypatch.setattr(plugins.os, "getuid", lambda: -1)
    recall([tmp_path])
    with pytest.raises(UnknownNameError, match=rf"another user's runs in {tmp_path} were made with {plugin}"):
        registry.curves.get("no_such_curve")
    assert not registry._loaded_plugins


def test_a_damaged_note_is_named(plugin, tmp_path):
    remember(tmp_path)
    note = next((tmp_path / plugins.FOLDER).glob("*.json"))
    note.write_text("{")
    with pytest.raises(ValueError, match=f"{note.name} is damaged"):
        recall([tmp_path])


def test_no_plugin_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "")
    remember(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
