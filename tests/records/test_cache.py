"""Laws of the records' cache: it changes nothing that is read, and can be lost at any time."""

from __future__ import annotations

import os

import pytest

from zigbench.records import cache, collect
from zigbench.records.folder import RunFolder
from zigbench.records.record import Failure, Measurement, Record
from zigbench.spec import RunSpec


@pytest.fixture
def runs(tmp_path, tiny, monkeypatch):
    """Six records, one of a failure, and a cache that is worth while from two on."""
    monkeypatch.setattr(cache, "WORTH", 2)
    folders = []
    for seed in range(6):
        spec = RunSpec.parse({**tiny, "seed": seed})
        run = RunFolder.of(spec, tmp_path)
        run.submit(spec)
        measured = (Measurement(name="loss", value=0.5 + seed, interval=(0.1, 0.9), samples=(1.0, 2.0)),)
        error = Failure(kind="ValueError", message="no luck") if seed == 5 else None
        status = "failed" if error else "ok"
        measurements = () if error else measured
        Record(id=run.id, status=status, spec=spec.resolved(), measurements=measurements, error=error).write(run.record)
        folders.append(run)
    return tmp_path, folders


def test_what_comes_from_the_cache_is_what_lies_in_the_files(runs):
    root, _ = runs
    first = collect.scan(root)
    assert (root / cache.FILE).exists()
    second = collect.scan(root)
    assert second == first
    assert second.frame().equals(first.frame())


def test_only_what_changed_is_read_again(runs, monkeypatch):
    root, folders = runs
    collect.scan(root)
    folders[1].record.write_bytes(folders[1].record.read_bytes())
    folders[2].record.unlink()
    read = []
    text_of = Record.read_text
    monkeypatch.setattr(Record, "read_text", staticmethod(lambda path: read.append(path) or text_of(path)))
    assert len(collect.scan(root).records) == 5
    assert read == [folders[1].record]


def test_a_record_that_was_damaged_since_is_listed(runs):
    root, folders = runs
    collect.scan(root)
    folders[0].record.write_text(folders[0].record.read_text()[:-20])
    found = collect.scan(root)
    assert [damaged.path for damaged in found.damaged] == [folders[0].record]
    assert len(found.records) == 5


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"PAR1 no more"), lambda path: path.unlink()])
def test_the_cache_is_disposable(runs, spoil):
    root, _ = runs
    first = collect.scan(root)
    spoil(root / cache.FILE)
    assert collect.scan(root) == first


def test_results_of_two_machines_merge_by_copying(runs, tmp_path_factory):
    root, folders = runs
    other = tmp_path_factory.mktemp("other")
    for folder in folders[:3]:
        os.rename(folder.path, other / folder.id)
    assert len(collect.scan(root).records) == 3
    for folder in folders[:3]:
        os.rename(other / folder.id, folder.path)
    assert len(collect.scan(root).records) == 6


def test_the_statuses_are_those_of_the_records(runs):
    root, folders = runs
    collect.scan(root)
    found = cache.statuses(root)
    assert {run: status for run, (_, status) in found.items()} == {f.id: Record.read(f.record).status for f in folders}
    assert all(found[folder.id][0] == cache.stamp_of(folder.record) for folder in folders)
