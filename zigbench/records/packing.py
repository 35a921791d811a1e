"""Packs made of runs or of packs, and run folders made of packs; :mod:`zigbench.records.pack` says what one holds."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zigbench import __version__
from zigbench.records import curves
from zigbench.records.environment import machine_name
from zigbench.records.folder import RunFiles, RunFolder
from zigbench.records.pack import (
    CURVES,
    FORMAT,
    INSPECTIONS,
    MANIFEST,
    MEMBERS,
    ORIGINALS,
    PROTOCOLS,
    RECORDS,
    SAMPLES,
    SUITES,
    TEXTS,
    Pack,
    is_pack,
    text_of,
)
from zigbench.records.record import Record, checksum
from zigbench.spec.files import file_sha256, new_file, new_folder, write_atomically

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a zip: equal runs give equal packs."""


@dataclass(frozen=True)
class Labels:
    """The suites of runs, and the runs' labels in them, as in ``suites.json``.

    Args:
        suites: JSON values of each suite's definition, by its name.
        runs: labels of a run by axis, by suite, by id.
    """

    suites: Mapping[str, Any]
    runs: Mapping[str, Mapping[str, Mapping[str, str]]]


def write(runs: Sequence[tuple[RunFiles, Record]], labels: Labels, out: Path, *, author: str) -> None:
    """Write finished runs into a pack.

    A run that comes twice with the same record is packed once; one with two different records is packed twice, the
    first one first.

    Args:
        runs: files and sound record of each run.
        labels: suites of these runs; of others too, which are left out.
        out: folder of the pack, or a ``.zip``; an existing pack is replaced.
        author: the person who made or joined the runs.

    Raises:
        ValueError: there are no runs, or ``out`` is there and is no pack.
        OSError: ``out`` can't be written.
    """
    if not runs:
        raise ValueError("there are no records to pack")
    if out.exists() and not is_pack(out) and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out} exists and is no pack; name another place, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = new_folder(out.parent, f".{out.name}.")
    try:
        _write_members(list(_keyed(runs)), labels, folder, author)
        if out.suffix == ".zip":
            _zip(folder, out)
        else:
            _replace(out, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def joined_labels(packs: Sequence[Pack]) -> Labels:
    """Return the labels of several packs; where two name the same suite, the first one's definition counts."""
    suites: dict[str, Any] = {}
    runs: dict[str, dict[str, Mapping[str, str]]] = {}
    for pack in reversed(packs):
        suites |= pack.suites["suites"]
        for run, of_run in pack.suites["runs"].items():
            runs[run] = runs.get(run, {}) | of_run
    return Labels(suites, runs)


def unpack(pack: Pack, results: Path) -> tuple[list[RunFolder], list[str]]:
    """Write the runs of a pack as folders, as they were packed; existing runs stay as they are.

    Args:
        pack: pack to read.
        results: folder of runs; made where it is not there.

    Returns:
        Folders written or there with the same record, and for each run that was not written a sentence.

    Raises:
        OSError: ``results`` can't be written.
    """
    written, left = [], []
    for run, record in pack.records()[0]:
        folder = RunFolder(results / record.id)
        if folder.record.exists():
            if folder.read("record.json") == run.read("record.json"):
                written.append(folder)
            else:
                left.append(f"run {run.id} is in {results} already with another record, which is not replaced")
            continue
        folder.path.mkdir(parents=True, exist_ok=True)
        for name in sorted(run.names(), key=lambda name: name == "record.json"):  # It marks the end.
            content = run.read(name)
            if content is not None:
                write_atomically(folder.path / name, content, durable=False)
        written.append(folder)
    return written, left


def _keyed(runs: Sequence[tuple[RunFiles, Record]]) -> Iterator[tuple[str, RunFiles, Record]]:
    """Return each run that differs from those before it, by id, under its name in the pack's members."""
    different: dict[str, list[Record]] = {}
    for files, record in sorted(runs, key=lambda run: run[1].id):
        earlier = different.setdefault(record.id, [])
        if record not in earlier:
            earlier.append(record)
            yield (record.id if len(earlier) == 1 else f"{record.id}.{len(earlier)}"), files, record


def _write_members(runs: Sequence[tuple[str, RunFiles, Record]], labels: Labels, folder: Path, author: str) -> None:
    protocols: dict[str, Any] = {}
    for _, files, _ in runs:
        protocols |= json.loads(files.read("protocols.json") or b"{}")
    lines, originals = [], {}
    for key, files, _ in runs:
        body = json.loads(_text(files, "record.json") or "")
        lines.append(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
        texts = {name: _text(files, name) for name in TEXTS}
        if different := {name: text for name, text in texts.items() if text != text_of(name, body, protocols)}:
            originals[key] = different
    packed = {files.id for _, files, _ in runs}
    known = {identity: labels.runs[identity] for identity in sorted(packed & labels.runs.keys())}
    used = {suite for of_run in known.values() for suite in of_run}
    suites = {name: suite for name, suite in sorted(labels.suites.items()) if name in used}

    (folder / RECORDS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if protocols:
        _write_json(folder / PROTOCOLS, protocols)
    _write_json(folder / SUITES, {"suites": suites, "runs": known}, depth=2)
    if originals:
        _write_json(folder / ORIGINALS, originals)
    logs = [(key, name, content) for key, files, _ in runs for name in curves.FILES if (content := files.read(name))]
    if logs:
        (folder / CURVES).write_bytes(curves.encode(logs))
    _write_arrays(folder / SAMPLES, ((key, files.read("samples.npy")) for key, files, _ in runs))
    _write_arrays(folder / INSPECTIONS, (item for key, files, _ in runs for item in _inspections(key, files)))
    manifest = _manifest(runs, folder, author)
    _write_json(folder / MANIFEST, {**manifest, "checksum": checksum(manifest)}, depth=2)


def _manifest(runs: Sequence[tuple[str, RunFiles, Record]], folder: Path, author: str) -> dict[str, Any]:
    days = [day for _, files, _ in runs if (day := files.recorded()) is not None]
    records = [record for _, _, record in runs]
    versions: dict[str, set[str]] = {}
    for environment in (record.environment for record in records):
        for name, version in (("zigbench", environment.get("zigbench")), *environment.get("packages", {}).items()):
            versions.setdefault(name, set()).add(str(version))
    members = [name for name in MEMBERS if (folder / name).exists()]
    return {
        "format": FORMAT,
        "author": author,
        "packed_by": f"zigbench {__version__}",
        "records": len(records),
        "newest": max(days).isoformat() if days else None,
        "machines": dict(Counter(machine_name(record.environment) for record in records).most_common()),
        "versions": {name: sorted(values) for name, values in sorted(versions.items())},
        "members": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)} for name in members
        },
    }


def _inspections(key: str, files: RunFiles) -> Iterator[tuple[str, bytes | None]]:
    """Return the arrays of a run's inspections under their names in the pack."""
    for name in files.names():
        content = files.read(name) if name.endswith(".npz") else None
        if content is not None:
            with zipfile.ZipFile(io.BytesIO(content)) as arrays:
                for array in arrays.namelist():
                    yield f"{key}/{name.removesuffix('.npz')}/{array.removesuffix('.npy')}", arrays.read(array)


def _write_arrays(path: Path, arrays: Iterator[tuple[str, bytes | None]]) -> None:
    """Write ``.npy`` contents as one ``.npz``, which numpy reads; nothing where there are none."""
    present = ((name, content) for name, content in arrays if content is not None)
    first = next(present, None)
    if first is None:
        return
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (first, *present):
            file.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), content, zipfile.ZIP_DEFLATED, 9)


def _text(files: RunFiles, name: str) -> str | None:
    content = files.read(name)
    return None if content is None else content.decode()


def _write_json(path: Path, value: Mapping[str, Any], depth: int = 1) -> None:
    path.write_text(_laid_out(value, depth) + "\n", encoding="utf-8")


def _laid_out(value: Any, depth: int, indent: int = 1) -> str:
    """Return JSON with a line for each key down to a depth: what changes between two packs shows in a diff."""
    if not depth or not isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    items = (
        f"{json.dumps(key, ensure_ascii=False)}: {_laid_out(value[key], depth - 1, indent + 1)}"
        for key in sorted(value)
    )
    lines = ",\n".join(" " * indent + item for item in items)
    return f"{{\n{lines}\n{' ' * (indent - 1)}}}" if lines else "{}"


def _zip(folder: Path, out: Path) -> None:
    handle, temporary = new_file(out.parent, f".{out.name}.")
    os.close(handle)
    try:
        with zipfile.ZipFile(temporary, "w") as file:
            for path in sorted(folder.iterdir()):
                # What is compressed already is stored, so that it can be searched in where it lies.
                kind = zipfile.ZIP_DEFLATED if path.suffix in (".json", ".jsonl") else zipfile.ZIP_STORED
                info = zipfile.ZipInfo(path.name, EPOCH)
                info.external_attr = 0o644 << 16
                file.writestr(info, path.read_bytes(), kind)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(out: Path, folder: Path) -> None:
    """Put ``folder`` in the place of ``out``."""
    if out.exists():
        old = new_folder(out.parent, f".{out.name}.")
        out.replace(old / "old") if out.is_file() else out.rename(old / "old")
        folder.rename(out)
        shutil.rmtree(old)
    else:
        folder.rename(out)
