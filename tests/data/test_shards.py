"""Shards of arrays: whole under their key, or absent."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zigbench.data.shards import ShardStore

ARRAYS = {"": np.arange(6).reshape(2, 3), "more": np.ones(4, np.float16)}


@pytest.fixture
def store(tmp_path):
    store = ShardStore(tmp_path / "shards")
    store.write("one", ARRAYS, {"key": "k", "count": 2})
    return store


def test_what_was_written_is_read_and_mapped(store):
    facts = store.read("one", "k")
    assert facts["count"] == 2
    assert {part: file["bytes"] for part, file in facts["files"].items()} == {
        part: store.path("one", part).stat().st_size for part in ARRAYS
    }
    for part, array in ARRAYS.items():
        mapped = store.load("one", part)
        assert isinstance(mapped, np.memmap)
        assert np.array_equal(mapped, array)
        assert mapped.dtype == array.dtype
    assert sorted(path.name for path in store.folder.iterdir()) == ["one.json", "one.more.npy", "one.npy"]


def test_another_key_and_another_name_are_absent(store):
    assert store.read("one", "other") is None
    assert store.read("two", "k") is None
    assert (store.exists("one"), store.exists("two")) == (True, False)


@pytest.mark.parametrize("name", ["one.json", "one.npy", "one.more.npy"])
def test_a_shard_whose_file_is_gone_cut_short_or_altered_is_absent(store, name):
    path = store.folder / name
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole[:-3] + b"\x7f" + whole[-2:]):
        path.write_bytes(content)
        assert store.read("one", "k") is None or json.loads(content)
    path.unlink()
    assert store.read("one", "k") is None
    store.write("one", ARRAYS, {"key": "k"})
    assert store.read("one", "k") is not None


@pytest.mark.parametrize(
    "content", ["[]", "3", '{"key": "k"}', '{"key": "k", "files": 3}', '{"key": "k", "files": {"": 3}}']
)
def test_facts_of_another_form_are_absent(store, content):
    (store.folder / "one.json").write_text(content)
    assert store.read("one", "k") is None
