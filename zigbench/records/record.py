"""What a run leaves behind: measurements with units, the environment they were made in, or the way it failed.

``record.json`` is written last and atomically, so a run folder with one is finished and one without is not. Its
bytes are a function of the spec and the environment alone: wall-clock figures of a training run live beside it in
``telemetry.jsonl``, so a run that was killed and resumed leaves the same record as one left alone.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from zigbench.spec import Spec, canonical_json, spec_id
from zigbench.spec.files import sha256, short_sha256, write_atomically

SCHEMA_VERSION = 1

SNAPSHOT = "snapshot.json"
"""Says in a copy of the code which commit it is a copy of."""

Status = Literal["ok", "failed", "oom", "diverged", "timeout"]

PACKAGES = (
    "torch", "numpy", "numba", "triton", "mamba-ssm", "causal-conv1d", "timm", "torch-fidelity",
    "scikit-learn", "scipy", "torchdiffeq",
)  # fmt: skip


class DamagedRecordError(ValueError):
    """A record that can't be trusted: truncated, edited, of another schema. The message says which and why."""


@dataclass(frozen=True)
class Damaged:
    """A record, or a part of a pack, that can't be used, and why.

    Args:
        path: file that is damaged.
        reason: sentence for the user, which names the file.
        run: id of the run whose record it is; "" for what belongs to no single run.
    """

    path: Path
    reason: str
    run: str = ""


class Measurement(Spec):
    """One figure.

    Args:
        name: what was measured ("held_out_loss").
        value: the figure; None where it could not be had (a note says why).
        unit: "" for a pure number, otherwise "s", "B", "images/s", …
        higher_is_better: None where neither direction is better (a parameter count).
        step: optimizer step it belongs to; None for the run as a whole.
        samples: raw values behind ``value`` where it was repeated or is a mean.
        interval: 95 % interval (low, high) where one is known; of what was timed, the range of 90 % of the calls.
        protocol: hash of the protocol it was measured under, where it has one.
        note: what a reader must know to read the figure.
    """

    name: str
    value: float | None
    unit: str = ""
    higher_is_better: bool | None = None
    step: int | None = None
    samples: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None
    protocol: str | None = None
    note: str = ""


class Failure(Spec):
    """Why a run has no result: the exception's type and message, its traceback, the end of its log."""

    kind: str
    message: str
    traceback: str = ""
    log_tail: str = ""


class Record(Spec):
    """Everything known of a finished run. ``spec`` is the resolved spec as JSON values; ``id`` is its hash."""

    schema_version: int = SCHEMA_VERSION
    id: str
    status: Status
    spec: dict[str, Any]
    measurements: tuple[Measurement, ...] = ()
    environment: dict[str, Any] = Field(default_factory=dict)
    error: Failure | None = None

    def to_json(self) -> str:
        """Indented JSON with a checksum over the rest, so that an edit or a torn copy is noticed."""
        body = self.model_dump(mode="json")
        return json.dumps({**body, "checksum": checksum(body)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "record") -> Record:
        """Read what :meth:`to_json` wrote.

        Raises:
            DamagedRecordError: not JSON, another schema, a wrong checksum, or a spec that does not hash to the id.
        """
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DamagedRecordError(f"{where}: not readable as JSON ({error}): truncated or edited") from None
        if not isinstance(body, dict):
            raise DamagedRecordError(f"{where}: holds {type(body).__name__}, not a record")
        version = body.get("schema_version")
        if version != SCHEMA_VERSION:
            raise DamagedRecordError(f"{where}: schema version {version!r}; this zigbench reads {SCHEMA_VERSION}")
        claimed = body.pop("checksum", None)
        try:
            found = checksum(body)
        except (ValueError, RecursionError) as error:  # NaN, Infinity, half of a surrogate pair: none is ever written.
            raise DamagedRecordError(f"{where}: holds what no record can hold ({error}): edited") from None
        if claimed != found:
            raise DamagedRecordError(f"{where}: the checksum does not match its contents: truncated or edited")
        try:
            record = cls.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(map(str, first["loc"]))
            raise DamagedRecordError(f"{where}: {path}: {first['msg']}") from None
        if spec_id(record.spec) != record.id:
            raise DamagedRecordError(f"{where}: its spec hashes to {spec_id(record.spec)}, not to its id {record.id}")
        return record

    @classmethod
    def trusted(cls, body: Mapping[str, Any]) -> Record:
        """A record from the JSON values of one that was read and found sound before; nothing is checked again."""
        measurements = tuple(
            Measurement.model_construct(
                **{
                    **figure,
                    "samples": tuple(figure["samples"]),
                    "interval": None if figure["interval"] is None else tuple(figure["interval"]),
                }
            )
            for figure in body["measurements"]
        )
        error = None if body["error"] is None else Failure.model_construct(**body["error"])
        kept = {name: body[name] for name in cls.model_fields}
        return cls.model_construct(**{**kept, "measurements": measurements, "error": error})

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a record's file; raises as :meth:`from_json`, and OSError when it can't be opened."""
        return cls.from_json(cls.read_text(path), str(path))

    @staticmethod
    def read_text(path: Path) -> str:
        """The text of a record's file, unchecked; raises as :meth:`read`."""
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DamagedRecordError(f"{path}: not text ({error.reason}): damaged") from None

    def write(self, path: Path) -> None:
        """Write atomically: the file is there whole or not at all."""
        write_atomically(path, self.to_json().encode())


def checksum(body: Mapping[str, Any]) -> str:
    """Return 16 digits of the SHA-256 of JSON values as sorted JSON.

    Raises:
        ValueError: a value that no JSON has (NaN).
    """
    return short_sha256(canonical_json(body))


def environment(**extra: Any) -> dict[str, Any]:
    """Where a measurement is made: versions, code, machine. ``extra`` adds what the caller knows (device, kernels)."""
    from zigbench import __version__

    return {
        "zigbench": __version__,
        "python": platform.python_version(),
        "packages": dict(_versions()),
        "code": dict(_code()),
        "machine": dict(_machine()),
        **extra,
    }


def machine_name(environment: Mapping[str, Any]) -> str:
    """Return what a record's machine is called: its GPU, or its processor and cores."""
    machine = environment.get("machine", {})
    cpu = f"{machine.get('cpu', 'unknown machine')} · {machine.get('cores', '?')} cores"
    device = environment.get("device", "cpu")
    return cpu if device == "cpu" else str(device)


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append((name, importlib.metadata.version(name)))
    return tuple(found)


@lru_cache(maxsize=1)
def _code() -> tuple[tuple[str, Any], ...]:
    root = Path(__file__).resolve().parents[2]
    if (root / SNAPSHOT).exists():
        return tuple(json.loads((root / SNAPSHOT).read_text()).items())
    return tuple(code_of(root).items())


def code_of(root: Path) -> dict[str, Any]:
    """Which code lies in a checkout: its commit, whether its sources differ from that, and a digest of those that do.

    Two checkouts with equal answers hold equal code. Outside of a checkout commit and "dirty" are None.
    """
    sources = [name for name in ("zigbench", "backbones", "suites", "pyproject.toml") if (root / name).exists()]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    # Relative names: the repository's top may lie above.
    changed = git("diff", "HEAD", "--name-only", "-z", "--relative", "--no-renames", "--", *sources)
    added = git("ls-files", "-z", "--others", "--exclude-standard", "--", *sources)
    if commit is None or changed is None or added is None:
        return {"commit": commit, "dirty": None}
    names = sorted(filter(None, f"{changed}\0{added}".split("\0")))
    return {"commit": commit, "dirty": bool(names), **({"changes": digest_of(root, names)} if names else {})}


def digest_of(root: Path, names: Iterable[str]) -> str:
    """16 digits that stand for the names and contents of files under ``root``, absent ones included."""
    parts: list[str | bytes] = []
    for name in names:
        content = (root / name).read_bytes() if (root / name).is_file() else b""
        parts += [f"{name}\0", bytes.fromhex(sha256(content))]
    return short_sha256(*parts)


@lru_cache(maxsize=1)
def _machine() -> tuple[tuple[str, Any], ...]:
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    return (
        ("system", platform.system()),
        ("architecture", platform.machine()),
        ("cpu", cpu),
        ("cores", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    )
