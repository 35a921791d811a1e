"""Verification of packs: a sound one passes, and every kind of damage and of gap is a sentence of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zigbench.cli import app
from zigbench.evaluation.protocol import Protocol, write_protocols
from zigbench.records import packing
from zigbench.records.folder import RunFolder
from zigbench.records.pack import Pack
from zigbench.records.packing import Labels
from zigbench.records.record import Measurement, Record, checksum
from zigbench.report.verification import verify
from zigbench.spec import RunSpec
from zigbench.spec.files import file_sha256

PROTOCOL = Protocol(metric="held_out_loss", estimator="mean", samples=None)
SUITE = {"question": "Two?", "axes": {"arm": ["one", "two"], "seed": ["0"]}}


def run(root: Path, tiny: dict, seed: int, *, protocol: str = PROTOCOL.hash, status: str = "ok") -> RunFolder:
    spec = RunSpec.parse({**tiny, "seed": seed, "evaluation.metrics": ["held_out_loss"]})
    folder = RunFolder.of(spec, root)
    folder.submit(spec)
    figures = (Measurement(name="held_out_loss", value=0.5, protocol=protocol),) if status == "ok" else ()
    Record(id=spec.id, status=status, spec=spec.resolved(), measurements=figures).write(folder.record)
    write_protocols(folder.path, [PROTOCOL])
    return folder


def packed(place: Path, folders: list[RunFolder], labels: int) -> Pack:
    records = [(folder, Record.read(folder.record)) for folder in folders]
    arms = zip(("one", "two"), folders, strict=False)
    runs = {folder.id: {"two": {"arm": arm, "seed": "0"}} for arm, folder in list(arms)[:labels]}
    packing.write(records, Labels({"two": SUITE}, runs), place, author="me")
    return Pack(place)


def test_a_whole_pack_is_sound_and_complete(tmp_path: Path, tiny: dict) -> None:
    result = verify(packed(tmp_path / "p.zip", [run(tmp_path, tiny, seed) for seed in range(2)], 2))
    assert (result.records, result.faults, result.gaps) == (2, (), ())


def test_gaps_are_named_and_are_no_faults(tmp_path: Path, tiny: dict) -> None:
    folders = [run(tmp_path, tiny, 0), run(tmp_path, tiny, 1, status="failed")]
    unmeasured = RunSpec.parse({**tiny, "seed": 2, "evaluation.metrics": ["held_out_loss"]})
    folders.append(RunFolder.of(unmeasured, tmp_path))
    folders[-1].submit(unmeasured)
    Record(id=unmeasured.id, status="ok", spec=unmeasured.resolved()).write(folders[-1].record)
    result = verify(packed(tmp_path / "p", folders, 1))
    assert result.faults == ()
    assert result.gaps == (
        "1 of 3 records have no result: failed",
        "1 record names the metric held_out_loss without a figure of it",
        "suite two: 1 of the 2 combinations of its labels have a record",
        "2 runs belong to no suite of the pack",
    )


def edit(place: Path, member: str, old: str, new: str, *, stated: bool = False) -> None:
    """Edit a member; with ``stated``, so that the manifest agrees with the edit."""
    path = place / member
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    if stated:
        manifest = json.loads((place / "manifest.json").read_text())
        del manifest["checksum"]
        manifest["members"][member] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        (place / "manifest.json").write_text(json.dumps({**manifest, "checksum": checksum(manifest)}))


@pytest.mark.parametrize(
    ("member", "old", "new", "stated", "words"),
    [
        ("records.jsonl", '"value":0.5', '"value":0.4', False, "records.jsonl has another SHA-256 than manifest.json"),
        ("records.jsonl", '"value":0.5', '"value":0.4', True, "the checksum does not match its contents"),
        ("records.jsonl", '"schema_version":1', '"schema_version":2', True, "newer: its schema version is 2"),
        ("protocols.json", '"mean"', '"best"', True, "hashes to"),
        ("manifest.json", '"records": 2', '"records": 3', False, "manifest.json does not match its checksum"),
    ],
)
def test_damage_is_a_fault_however_well_it_is_hidden(tmp_path, tiny, member, old, new, stated, words) -> None:
    packed(tmp_path / "p", [run(tmp_path, tiny, seed) for seed in range(2)], 2)
    edit(tmp_path / "p", member, old, new, stated=stated)
    faults = verify(Pack(tmp_path / "p")).faults
    assert any(words in fault for fault in faults), faults
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "p")])
    assert done.exit_code == 1
    assert all("\n" not in fault for fault in faults)
    if member == "protocols.json":
        assert sum(words in fault for fault in faults) == 1  # However many runs share it.


def test_a_figure_without_its_protocol_and_a_pack_without_a_manifest_are_faults(tmp_path: Path, tiny: dict) -> None:
    pack = packed(tmp_path / "p", [run(tmp_path, tiny, 0, protocol="0" * 16)], 1)
    (fault,) = verify(pack).faults
    assert f"held_out_loss names the protocol {'0' * 16}, which the pack does not have, in 1 record" in fault
    (tmp_path / "p" / "manifest.json").unlink()
    assert any("manifest.json" in fault for fault in verify(Pack(tmp_path / "p")).faults)


def test_the_command_prints_a_line_for_each(tmp_path: Path, tiny: dict) -> None:
    packed(tmp_path / "p.zip", [run(tmp_path, tiny, 0)], 1)
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "p.zip")])
    assert done.exit_code == 0, done.output
    first, second = done.output.splitlines()
    assert first == "incomplete: suite two: 1 of the 2 combinations of its labels have a record"
    assert second.endswith("p.zip: 1 record, sound")
    for place in ("nowhere", str(tmp_path)):
        done = CliRunner().invoke(app, ["verify", place])
        assert isinstance(done.exception, ValueError)
        assert "no pack" in str(done.exception)
