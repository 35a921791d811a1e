"""Laws of packs: nothing recorded is lost, damage is named, and what a stranger sends can do nothing but be read."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zigbench.records import collect, pack, packing
from zigbench.records.folder import RunFolder
from zigbench.records.pack import Pack
from zigbench.records.packing import Labels
from zigbench.records.record import Failure, Measurement, Record
from zigbench.records.sources import Sources
from zigbench.spec import RunSpec

LOG = (
    '{"step": 1, "loss": 1.8857576847076416, "lr": 0.001}\n'
    '{"step": 2, "loss": NaN, "lr": 0.002}\n'
    '{"step": 3, "loss": Infinity, "lr": 0.003, "mode": "late"}\n'
)
TELEMETRY = '{"step": 2, "seconds": 5.5, "peak_memory_bytes": 1159520256}\n'
PROTOCOLS = {"aa": {"metric": "fid", "samples": 50}, "bb": {"metric": "kid", "samples": 50}}


def npz(**arrays: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.savez_compressed(sink, **arrays)
    return sink.getvalue()


def make(root: Path, tiny: dict, seed: int, value: float = 0.5, cpu: str = "A") -> RunFolder:
    """A finished run with every file that a run can have."""
    spec = RunSpec.parse({**tiny, "seed": seed})
    run = RunFolder.of(spec, root)
    run.submit(spec)
    figures = (
        Measurement(name="fid", value=value, interval=(0.1, 0.9), samples=(1.0, 1e-7), protocol="aa", note="größer"),
        Measurement(name="kid", value=0.25, protocol="bb"),
    )
    machine = {"machine": {"cpu": cpu, "cores": 2}, "packages": {"torch": "2.6"}, "zigbench": "0.1"}
    Record(id=run.id, status="ok", spec=spec.resolved(), measurements=figures, environment=machine).write(run.record)
    (run.path / "protocols.json").write_text(json.dumps(PROTOCOLS, indent=1, sort_keys=True) + "\n")
    run.log.write_text(LOG)
    (run.path / "telemetry.jsonl").write_text(TELEMETRY)
    np.save(run.path / "samples.npy", np.full((2, 1, 4, 4), seed, np.uint8))
    about = np.array('{"weights": "fresh"}')
    (run.path / "receptive_field.npz").write_bytes(npz(field=np.eye(3) * seed, about=about))
    return run


def failed(root: Path, tiny: dict, seed: int) -> RunFolder:
    """A run that left nothing but how it failed, in a text with another layout than zigbench's."""
    spec = RunSpec.parse({**tiny, "seed": seed})
    run = RunFolder.of(spec, root)
    run.submit(spec)
    Record(id=run.id, status="failed", spec=spec.resolved(), error=Failure(kind="ValueError", message="no luck")).write(
        run.record
    )
    run.record.write_text(json.dumps(json.loads(run.record.read_text()), indent=3))
    run.spec.unlink()
    return run


@pytest.fixture
def runs(tmp_path, tiny):
    root = tmp_path / "runs"
    return root, [*(make(root, tiny, seed) for seed in range(3)), failed(root, tiny, 3)]


LABELS = Labels({"s": {"question": "?"}}, {})


def pack_of(root: Path, out: Path) -> Pack:
    records, damaged = Sources.of(root).read()
    assert not damaged
    labels = Labels(LABELS.suites, {record.id: {"s": {"seed": str(record.spec["seed"])}} for _, record in records})
    packing.write(records, labels, out, author="somebody")
    return Pack(out)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["pack", "pack.zip"])
def test_unpacking_gives_back_what_was_packed(runs, tmp_path, name):
    root, folders = runs
    found = pack_of(root, tmp_path / name)
    assert found.damaged() == ()
    written, left = packing.unpack(found, tmp_path / "again")
    assert {folder.id for folder in written} == {folder.id for folder in folders}
    assert left == []
    before, after = contents(root), contents(tmp_path / "again")
    assert before.keys() == after.keys()
    for path, content in before.items():
        if path.endswith(".npz"):
            a, b = np.load(io.BytesIO(content)), np.load(io.BytesIO(after[path]))
            assert {key: a[key].tolist() for key in a} == {key: b[key].tolist() for key in b}
        else:
            assert after[path] == content, path


def test_reading_a_pack_is_reading_the_runs(runs, tmp_path):
    root, _ = runs
    whole = collect.frame(root)
    for name in ("pack", "pack.zip"):
        pack_of(root, tmp_path / name)
        assert collect.frame(tmp_path / name).drop(columns="folder").equals(whole.drop(columns="folder"))


def test_equal_runs_give_equal_packs(runs, tmp_path):
    root, _ = runs
    for name in ("a", "b"):
        pack_of(root, tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    pack_of(tmp_path / "a", tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "c.zip") as archive:
        records = archive.read("records.jsonl")
    assert records == (tmp_path / "a/records.jsonl").read_bytes()
    assert [json.loads(line)["id"] for line in records.splitlines()] == sorted(path.name for path in root.iterdir())


def test_the_manifest_says_who_where_and_with_what(runs, tmp_path):
    root, _ = runs
    manifest = pack_of(root, tmp_path / "pack").manifest
    assert (manifest["author"], manifest["records"]) == ("somebody", 4)
    assert manifest["machines"] == {"A · 2 cores": 3, "unknown machine · ? cores": 1}
    assert manifest["versions"]["torch"] == ["2.6"]
    assert Pack(tmp_path / "pack").suites["runs"].keys() == {path.name for path in root.iterdir()}


def test_values_that_are_no_numbers_and_torn_lines_are_no_fault(tmp_path, tiny):
    run = make(tmp_path / "runs", tiny, 0)
    lines = [{"step": 1, "a": None, "run": 7}, {"step": 2.5, "a": [1, {"b": True}], "rest": "x"}, {"huge": 2**70}]
    run.log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "lo')
    found = pack_of(tmp_path / "runs", tmp_path / "pack")
    ((again, _),) = found.records()[0]
    assert [json.loads(line) for line in again.read("log.jsonl").splitlines()] == lines


def test_equal_records_are_one_and_unlike_ones_are_two_measurements(tmp_path, tiny):
    for name, cpu, value in (("a", "A", 0.5), ("b", "B", 0.75), ("c", "A", 0.5)):
        run = make(tmp_path / f"runs-{name}", tiny, 0, value, cpu)
        pack_of(tmp_path / f"runs-{name}", tmp_path / name)
    sources = Sources.of([tmp_path / name for name in "abc"])
    packing.write(sources.read()[0], packing.joined_labels(sources.packs), tmp_path / "all", author="both")
    frame = collect.frame(tmp_path / "all")
    fid = frame[frame["metric"] == "fid"]
    assert fid[["run", "repeat", "machine", "value"]].values.tolist() == [
        [run.id, 0, "A · 2 cores", 0.5],
        [run.id, 1, "B · 2 cores", 0.75],
    ]
    assert collect.wide(frame)["fid"].tolist() == [0.5]
    # Joined again with one of its parts it stays as it is.
    packing.write(Sources.of([tmp_path / "all", tmp_path / "b"]).read()[0], LABELS, tmp_path / "more", author="both")
    assert (tmp_path / "more/records.jsonl").read_bytes() == (tmp_path / "all/records.jsonl").read_bytes()
    both = [files for files, _ in Pack(tmp_path / "more").records()[0]]
    assert [files.key for files in both] == [run.id, f"{run.id}.2"]
    assert both[1].read("log.jsonl").decode() == LOG
    written, left = packing.unpack(Pack(tmp_path / "all"), tmp_path / "again")
    assert len(written) == 1
    assert len(left) == 1


def test_a_run_that_is_there_already_is_never_overwritten(runs, tmp_path):
    root, folders = runs
    found = pack_of(root, tmp_path / "pack")
    folders[0].record.write_text("mine")
    _, left = packing.unpack(found, root)
    assert len(left) == 1
    assert folders[0].id in left[0]
    assert folders[0].record.read_text() == "mine"


def test_a_pack_takes_no_place_of_anything_else(runs, tmp_path):
    root, _ = runs
    with pytest.raises(ValueError, match="exists and is no pack"):
        pack_of(root, root)
    pack_of(root, tmp_path / "pack")
    pack_of(root, tmp_path / "pack")
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("member", [*pack.MEMBERS, pack.MANIFEST])
@pytest.mark.parametrize("damage", ["edited", "cut", "missing"])
def test_a_damaged_member_is_named_and_the_others_are_read(runs, tmp_path, member, damage, zipped):
    root, _ = runs
    folder = tmp_path / "pack"
    pack_of(root, folder)
    content = (folder / member).read_bytes()
    middle = len(content) // 2
    (folder / member).write_bytes(content[:middle] + (b"7" if damage == "edited" else b"") * 3 + content[middle + 3 :])
    if damage == "cut":
        (folder / member).write_bytes(content[:middle])
    if damage == "missing":
        (folder / member).unlink()
    place = Path(shutil.make_archive(str(tmp_path / "zip"), "zip", folder)) if zipped else folder
    found = Pack(place)
    records, damaged = found.records()
    named = [*found.damaged(), *damaged]
    assert {item.path.name for item in named} == {member}
    assert all(str(place) in item.reason for item in named)
    assert len(records) >= (1 if member == pack.RECORDS and damage != "missing" else 4 * (member != pack.RECORDS))
    for run, _ in records:
        for name in run.names():
            run.read(name)
    if member != pack.SAMPLES and records:
        assert records[0][0].read("samples.npy") is not None


def test_an_edited_record_is_not_used(runs, tmp_path):
    root, folders = runs
    path = tmp_path / "pack" / pack.RECORDS
    pack_of(root, tmp_path / "pack")
    path.write_text(path.read_text().replace('"value":0.5', '"value":0.4', 1))
    found = collect.scan(tmp_path / "pack")
    assert len(found.records) == len(folders) - 1
    assert {item.path for item in found.damaged} == {path}
    assert sum(bool(item.run) for item in found.damaged) == 1


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_arrays_are_never_unpickled(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root, folders = runs
    sink = io.BytesIO()
    np.save(sink, np.array([Trap()], dtype=object), allow_pickle=True)
    for content in (sink.getvalue(), pickle.dumps(Trap())):
        (folders[0].path / "samples.npy").write_bytes(content)
        pack_of(root, tmp_path / "pack")
        packing.unpack(Pack(tmp_path / "pack"), tmp_path / "again")
        assert not (tmp_path / "again" / folders[0].id / "samples.npy").exists()
        assert not (tmp_path / "sprung").exists()


def test_an_array_of_another_size_than_it_claims_is_refused(runs, tmp_path):
    root, folders = runs
    sink = io.BytesIO()
    np.lib.format.write_array_header_1_0(sink, {"descr": "|u1", "fortran_order": False, "shape": (2**40,)})
    (folders[0].path / "samples.npy").write_bytes(sink.getvalue() + b"abc")
    found = pack_of(root, tmp_path / "pack")
    runs = {run.id: run for run, _ in found.records()[0]}
    assert runs[folders[0].id].read("samples.npy") is None
    assert runs[folders[1].id].read("samples.npy") is not None


def test_nothing_is_written_outside_and_no_link_is_followed(runs, tmp_path):
    root, _ = runs
    pack_of(root, tmp_path / "pack")
    line = (tmp_path / "pack" / pack.RECORDS).read_text().splitlines()[0]
    outside = line.replace(json.loads(line)["id"], "../../../outside")
    (tmp_path / "pack" / pack.RECORDS).write_text(f"{line}\n{outside}\n")
    found = Pack(tmp_path / "pack")
    assert len(found.records()[0]) == 1
    assert any("line 2" in item.reason for item in found.damaged())
    packing.unpack(found, tmp_path / "deep/down/again")
    assert not list(tmp_path.rglob("outside*"))

    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for path in (tmp_path / "pack").iterdir():
            archive.write(path, path.name)
        archive.writestr("../outside", "x")
        archive.writestr("/outside", "x")
    packing.unpack(Pack(tmp_path / "evil.zip"), tmp_path / "deep/down/more")
    assert not list(tmp_path.rglob("outside*"))

    (tmp_path / "secret").write_text((tmp_path / "pack" / pack.SAMPLES).read_text(errors="replace"))
    (tmp_path / "pack" / pack.SAMPLES).rename(tmp_path / "real")
    (tmp_path / "pack" / pack.SAMPLES).symlink_to(tmp_path / "real")
    found = Pack(tmp_path / "pack")
    assert any(pack.SAMPLES in item.reason for item in found.damaged())
    assert found.records()[0][0][0].read("samples.npy") is None


def test_what_unpacks_to_too_much_is_refused(runs, tmp_path, monkeypatch):
    root, _ = runs
    pack_of(root, tmp_path / "pack.zip")
    monkeypatch.setattr(pack, "LARGEST", 4000)
    found = Pack(tmp_path / "pack.zip")
    assert found.records()[0] == []
    assert any("holds more than 4,000 bytes" in item.reason for item in found.damaged())


def test_a_zip_made_by_hand_of_a_folder_is_a_pack(runs, tmp_path):
    root, _ = runs
    pack_of(root, tmp_path / "mine")
    place = shutil.make_archive(str(tmp_path / "sent"), "zip", tmp_path, "mine")
    found = Pack(Path(place))
    assert found.damaged() == ()
    assert len(found.records()[0]) == 4
    assert found.records()[0][0][0].read("samples.npy") is not None


def test_a_pack_of_a_later_format_is_refused(runs, tmp_path):
    root, _ = runs
    pack_of(root, tmp_path / "pack")
    manifest = tmp_path / "pack" / pack.MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 2}))
    with pytest.raises(ValueError, match="format 2; this zigbench reads 1"):
        Pack(tmp_path / "pack")


def test_sources_are_read_as_one(runs, tmp_path, tiny):
    root, folders = runs
    pack_of(root, tmp_path / "kept/machine/campaign")
    pack_of(root, tmp_path / "kept/other.zip")
    mine = make(tmp_path / "mine", tiny, 9)
    assert len(collect.scan(tmp_path / "kept").records) == len(folders)
    sources = Sources.of([tmp_path / "mine", tmp_path / "kept"])
    assert len(sources.read()[0]) == len(folders) + 1
    assert sources.find(mine.id[:8]).path == mine.path
    assert sources.find(folders[0].id[:8]).read("log.jsonl").decode() == LOG
    assert sources.packed().keys() == {folder.id for folder in folders}
    assert [record.id for _, record in sources.read([mine.id, folders[1].id])[0]] == sorted([mine.id, folders[1].id])
    (tmp_path / "text").write_text("no zip")
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        Sources.of(tmp_path / "text")
    with pytest.raises(ValueError, match="no run under"):
        sources.find("ffffffffffffffff")
