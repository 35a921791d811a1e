"""A pack: the records of many runs and what their pages show, in a few files that can be kept in git or sent.

A pack is a folder, or one zip of it, and holds

* ``records.jsonl``: a record a line, sorted by id;
* ``protocols.json``: the protocols that figures were measured under, by hash;
* ``suites.json``: the suites that the runs belong to, and each run's labels in them;
* ``curves.parquet``: the lines of ``log.jsonl`` and ``telemetry.jsonl`` (see :mod:`zigbench.records.curves`);
* ``samples.npz`` and ``inspections.npz``: the runs' first samples, and what ``zigbench inspect`` computed;
* ``originals.json``, where needed: the text of files that could not be written anew byte for byte from the others;
* ``manifest.json``: who packed it, machines, versions, and the SHA-256 of each of the others.

A pack may come from anyone. Its members are read by the names above alone and never extracted by names of its own;
links are not followed, arrays are read without pickle, ids are checked, and what is unpacked is bounded. A member
that was damaged or edited is named, and the others are read.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from zigbench.records.curves import FILES as CURVE_FILES
from zigbench.records.curves import Curves
from zigbench.records.folder import spec_text
from zigbench.records.record import Damaged, DamagedRecordError, Record, checksum
from zigbench.spec.files import stream_sha256

FORMAT = 1
MANIFEST = "manifest.json"
RECORDS, PROTOCOLS, SUITES, ORIGINALS = "records.jsonl", "protocols.json", "suites.json", "originals.json"
CURVES, SAMPLES, INSPECTIONS = "curves.parquet", "samples.npz", "inspections.npz"
TEXTS = ("record.json", "spec.json", "protocols.json")
MEMBERS = (RECORDS, PROTOCOLS, SUITES, ORIGINALS, CURVES, SAMPLES, INSPECTIONS)

LARGEST = 2**30
"""Bytes of a member, unpacked, beyond which it is refused."""

LARGEST_ARRAY = 2**28
"""Bytes of one array in a member beyond which it is refused."""

UNREADABLE = (OSError, KeyError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""Exceptions that reading a damaged zip can raise."""

ID = re.compile(r"[0-9a-f]{16}")
_BEGINNING = re.compile(r'\{"schema_version":\d+,"id":"([0-9a-f]{16})"')
_INSPECTION = re.compile(r"[A-Za-z0-9_]+")


def is_pack(path: Path) -> bool:
    """Return whether there is a pack at ``path``, damaged or not."""
    if path.is_file():
        return zipfile.is_zipfile(path)
    return (path / MANIFEST).is_file() or (path / RECORDS).is_file()


@dataclass(frozen=True)
class PackedRun:
    """One finished run in a pack: it has the methods of :class:`zigbench.records.folder.RunFiles`.

    Args:
        pack: pack that holds it.
        id: id of the run.
        repeat: 0 for the pack's first record of this id, 1 for its second, …
    """

    pack: Pack
    id: str
    repeat: int = 0

    @property
    def key(self) -> str:
        """Name of the run in the pack's members."""
        return f"{self.id}.{self.repeat + 1}" if self.repeat else self.id

    @property
    def path(self) -> Path:
        return self.pack.path / self.key

    def recorded(self) -> date | None:
        return self.pack.newest

    def names(self) -> tuple[str, ...]:
        return self.pack.names(self)

    def read(self, name: str) -> bytes | None:
        return self.pack.read(self, name)


class Pack:
    """The pack at ``path``: a folder, or a zip.

    Raises:
        ValueError: there is no pack, or one of a later format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._faults: dict[str, str] = {}
        self._lines_damaged: list[Damaged] = []
        self._checked: set[str] = set()
        self._zip: zipfile.ZipFile | None = None
        self._prefix = ""
        if not is_pack(path):
            raise ValueError(f"{path} is no pack: it has no {MANIFEST}; `zigbench pack --out {path}` makes one")
        if path.is_file():
            try:
                self._zip = zipfile.ZipFile(path)
            except UNREADABLE as error:
                raise ValueError(f"{path} can't be read as a zip: {error}") from None
            self._prefix = self._folder_in_zip(self._zip)
        self.manifest = self._object(MANIFEST)
        if (version := self.manifest.get("format", FORMAT)) != FORMAT:
            raise ValueError(f"{path} is a pack of format {version!r}; this zigbench reads {FORMAT}")
        if self.manifest and not _intact(self.manifest):
            self._faults[MANIFEST] = "does not match its checksum: damaged or edited"
            self.manifest = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pack) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __reduce__(self) -> tuple[type[Pack], tuple[Path]]:
        return Pack, (self.path,)

    @property
    def newest(self) -> date | None:
        """Day of the newest record, as the manifest has it."""
        try:
            return date.fromisoformat(self.manifest["newest"])
        except (KeyError, TypeError, ValueError):
            return None

    @cached_property
    def suites(self) -> dict[str, Any]:
        """Suites and labels: ``{"suites": {name: definition}, "runs": {id: {suite: labels}}}``."""
        body = self._object(SUITES)
        parts = {part: value if isinstance(value := body.get(part), dict) else {} for part in ("suites", "runs")}
        return {**parts, "runs": {run: labels for run, labels in parts["runs"].items() if isinstance(labels, dict)}}

    def damaged(self) -> tuple[Damaged, ...]:
        """Check every member, and return those that are damaged, edited or missing, and the damaged records."""
        for name in MEMBERS:
            self._sound(name)
        faults = [Damaged(self.path / name, f"{self.path}: {name} {fault}") for name, fault in self._faults.items()]
        _ = self._lines
        return (*faults, *self._lines_damaged)

    def records(self, only: Iterable[str] | None = None) -> tuple[list[tuple[PackedRun, Record]], list[Damaged]]:
        """Return the sound records, each with its run, by id; and the damaged ones.

        Args:
            only: ids to read; None reads all.
        """
        wanted = self._lines.keys() if only is None else self._lines.keys() & set(only)
        records, damaged = [], []
        for identity in sorted(wanted):
            for repeat, line in enumerate(self._lines[identity]):
                try:
                    record = Record.from_json(line, f"{self.path}: the record of run {identity}")
                except DamagedRecordError as error:
                    damaged.append(Damaged(self.path / RECORDS, str(error), identity, error.state))
                else:
                    records.append((PackedRun(self, identity, repeat), record))
        return records, damaged

    def holds(self, identity: str) -> bool:
        """Return whether the pack has a record of that run, sound or not."""
        return identity in self._lines

    def beginning(self, name: str) -> list[PackedRun]:
        """Return the runs whose ids begin with ``name``, the first record of each."""
        return [run for run, _ in self.records(i for i in self._lines if i.startswith(name))[0] if not run.repeat]

    def names(self, run: PackedRun) -> tuple[str, ...]:
        """Return the names of the files of a run whose record is sound."""
        names = [name for name in TEXTS if self._text(run, name) is not None]
        names += self._curves.files(run.key) if self._curves is not None else ()
        names += ["samples.npy"] if f"{run.key}.npy" in self._samples else []
        return (*names, *(f"{name}.npz" for name in self._inspections.get(run.key, {})))

    def read(self, run: PackedRun, name: str) -> bytes | None:
        """Return a file of a run whose record is sound; None where there is no readable one.

        Texts are those that were packed byte for byte, logs and arrays have the same content.
        """
        if name in TEXTS:
            text = self._text(run, name)
            return None if text is None else text.encode()
        if name in CURVE_FILES:
            return self._curves.read(run.key, name) if self._curves is not None else None
        if name == "samples.npy":
            return self._array(SAMPLES, run.key)
        return self._inspection(run, name.removesuffix(".npz")) if name.endswith(".npz") else None

    @cached_property
    def _lines(self) -> dict[str, list[str]]:
        """Lines of the records by id, in their order."""
        lines: dict[str, list[str]] = {}
        content = (self._content(RECORDS, checked=False) or b"").decode(errors="replace")
        for number, line in enumerate(content.split("\n"), 1):
            if not line.strip():
                continue
            match = _BEGINNING.match(line)
            identity = match[1] if match else _id_of(line)
            if identity is None:
                where = f"{self.path}: line {number} of {RECORDS}"
                self._lines_damaged.append(Damaged(self.path / RECORDS, f"{where} is no record: truncated or edited"))
            else:
                lines.setdefault(identity, []).append(line)
        return lines

    @cached_property
    def _originals(self) -> dict[str, dict[str, str | None]]:
        originals = self._object(ORIGINALS) if self._has(ORIGINALS) else {}
        return {key: files for key, files in originals.items() if isinstance(files, dict)}

    @cached_property
    def _protocols(self) -> dict[str, Any]:
        return self._object(PROTOCOLS)

    def _text(self, run: PackedRun, name: str) -> str | None:
        body = json.loads(self._lines[run.id][run.repeat])
        text = text_of(name, body, self._protocols)
        original = self._originals.get(run.key, {}).get(name, text)
        if name != "record.json":
            return original if isinstance(original, str) else None
        # Any other content is not the record that was checked.
        return original if isinstance(original, str) and _parsed(original) == body else text

    @cached_property
    def _curves(self) -> Curves | None:
        content = self._content(CURVES)
        if content is None:
            return None
        try:
            return Curves(content)
        except ValueError as error:
            self._faults[CURVES] = f"can't be read ({error}): damaged"
            return None

    @cached_property
    def _arrays(self) -> dict[str, zipfile.ZipFile]:
        """Members that hold arrays, where they can be read."""
        archives = {}
        for name in (SAMPLES, INSPECTIONS):
            if self._has(name) and self._sound(name):
                try:
                    archives[name] = zipfile.ZipFile(self._open(name))
                except UNREADABLE as error:
                    self._faults[name] = f"can't be read ({error}): damaged"
        return archives

    def _array(self, member: str, key: str) -> bytes | None:
        """Return the content of one ``.npy`` in a member; None where there is no sound one."""
        arrays = self._arrays.get(member)
        try:
            if arrays is None or (info := arrays.getinfo(f"{key}.npy")).file_size > LARGEST_ARRAY:
                return None
            with arrays.open(info) as file:
                content = file.read(LARGEST_ARRAY + 1)
        except UNREADABLE:
            return None
        return content if _is_array(content) else None

    @cached_property
    def _samples(self) -> frozenset[str]:
        return frozenset(self._arrays[SAMPLES].namelist() if SAMPLES in self._arrays else ())

    @cached_property
    def _inspections(self) -> dict[str, dict[str, list[str]]]:
        """Names of the arrays of each inspection of each run."""
        inspections: dict[str, dict[str, list[str]]] = {}
        for path in self._arrays[INSPECTIONS].namelist() if INSPECTIONS in self._arrays else ():
            key, _, rest = path.removesuffix(".npy").partition("/")
            inspection, _, array = rest.partition("/")
            if _INSPECTION.fullmatch(inspection) and _INSPECTION.fullmatch(array):
                inspections.setdefault(key, {}).setdefault(inspection, []).append(array)
        return inspections

    def _inspection(self, run: PackedRun, inspection: str) -> bytes | None:
        arrays = self._inspections.get(run.key, {}).get(inspection, ())
        contents = {array: self._array(INSPECTIONS, f"{run.key}/{inspection}/{array}") for array in arrays}
        if not contents or None in contents.values():
            return None
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as file:
            for array, content in contents.items():
                assert content is not None
                file.writestr(zipfile.ZipInfo(f"{array}.npy"), content, zipfile.ZIP_DEFLATED)
        return sink.getvalue()

    def _object(self, name: str) -> dict[str, Any]:
        """Return the JSON object in a member; empty, and the member a fault, where there is none."""
        content = self._content(name)
        if content is None:
            return {}
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            self._faults[name] = f"can't be read ({error}): damaged"
            return {}
        if not isinstance(body, dict):
            self._faults[name] = f"holds {type(body).__name__}, not an object: damaged"
            return {}
        return body

    def _content(self, name: str, *, checked: bool = True) -> bytes | None:
        """Return the content of a member; None where it is missing or damaged.

        Args:
            checked: leave out a member whose SHA-256 is wrong; records have checksums of their own.
        """
        if name != MANIFEST and not self._sound(name) and (checked or not self._has(name)):
            return None
        try:
            with self._open(name) as file:
                content = file.read(LARGEST + 1)
        except UNREADABLE as error:
            self._faults[name] = f"can't be read ({error}): damaged"
            return None
        if len(content) > LARGEST:
            self._faults[name] = f"holds more than {LARGEST:,} bytes, and is not read"
            return None
        return content

    def _sound(self, name: str) -> bool:
        """Return whether a member is there and as the manifest describes it; note why not."""
        if name not in self._checked:
            self._checked.add(name)
            if fault := self._fault(name):
                self._faults[name] = fault
        return name not in self._faults and self._has(name)

    def _fault(self, name: str) -> str:
        members = self.manifest.get("members")
        wanted = members.get(name) if isinstance(members, dict) else None
        if not self._has(name):
            return "" if wanted is None and (name != RECORDS) else "is missing"
        if not isinstance(members, dict):
            return ""  # Nothing to compare with: the manifest is named as damaged instead.
        if not isinstance(wanted, dict):
            return f"is not in {MANIFEST}: added afterwards"
        try:
            with self._open(name) as file:
                digest = stream_sha256(file, LARGEST)
        except UNREADABLE as error:
            return f"can't be read ({error}): damaged"
        if digest is None:
            return f"holds more than {LARGEST:,} bytes, and is not read"
        return "" if digest == wanted.get("sha256") else f"has another SHA-256 than {MANIFEST} says: damaged or edited"

    def _has(self, name: str) -> bool:
        if self._zip is not None:
            return self._zip.namelist().count(self._prefix + name) == 1
        path = self.path / name
        return path.is_file() and not path.is_symlink()

    def _open(self, name: str) -> IO[bytes]:
        """Open a member that there is; in a zip, one that can be searched in without being unpacked again."""
        if self._zip is None:
            return open(self.path / name, "rb")
        info = self._zip.getinfo(self._prefix + name)
        file = self._zip.open(info)
        if info.compress_type == zipfile.ZIP_STORED or name not in (SAMPLES, INSPECTIONS):
            return file
        with file:
            return io.BytesIO(file.read(LARGEST + 1))

    @staticmethod
    def _folder_in_zip(archive: zipfile.ZipFile) -> str:
        """Return the pack's folder in a zip that was packed by hand, with its slash; "" where the zip is the pack."""
        manifests = [name for name in archive.namelist() if name.rpartition("/")[2] in (MANIFEST, RECORDS)]
        folders = {name.rpartition("/")[0] for name in manifests if name.count("/") <= 1}
        if len(folders) != 1:
            raise ValueError(f"{archive.filename} is no zip of a pack: it holds {len(folders)} packs")
        return f"{folder}/" if (folder := folders.pop()) else ""


def text_of(name: str, record: Mapping[str, Any], protocols: Mapping[str, Any]) -> str | None:
    """Return the text of a run's file as zigbench writes it; None of protocols where its figures have none.

    Args:
        name: file, of :data:`TEXTS`.
        record: JSON values of the record, checksum included.
        protocols: protocols by hash.
    """
    if name == "record.json":
        return json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    if name == "spec.json":
        return spec_text(record["spec"])
    hashes = {figure["protocol"] for figure in record["measurements"]} - {None}
    known = {key: protocols[key] for key in hashes if key in protocols}
    return json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n" if known else None


def _intact(manifest: Mapping[str, Any]) -> bool:
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    try:
        return checksum(rest) == manifest.get("checksum")
    except (ValueError, RecursionError):  # NaN: none is ever written.
        return False


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _id_of(line: str) -> str | None:
    body = _parsed(line)
    identity = body.get("id") if isinstance(body, dict) else None
    return identity if isinstance(identity, str) and ID.fullmatch(identity) else None


def _is_array(content: bytes) -> bool:
    """Return whether a ``.npy`` needs no pickle and has exactly the bytes of the array that its header claims."""
    import numpy as np

    file = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(file) != (1, 0):  # Later versions are for tables with names of columns.
            return False
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except ValueError:
        return False
    if dtype.hasobject or min(shape, default=0) < 0:
        return False
    return math.prod(shape) * dtype.itemsize == len(content) - file.tell()
