"""The record of a run: measurements with units, the environment they were made in, or the way it failed.

``record.json`` is written last and atomically, so a run folder with one is finished and one without is not. Its
bytes are a function of the spec and the environment alone: wall-clock figures of a training run live beside it in
``telemetry.jsonl``, so a run that was killed and resumed has the same record as an uninterrupted one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from zigbench.records.environment import environment
from zigbench.spec import RunSpec, Spec, canonical_json, spec_id
from zigbench.spec.files import short_sha256, write_atomically

SCHEMA_VERSION = 1

UNREADABLE_SAMPLES = "unreadable_samples"
"""Name of the measurement whose note names the samples of the data that could not be read."""

Status = Literal["ok", "failed", "oom", "diverged", "timeout"]


class DamagedRecordError(ValueError):
    """A record that can't be trusted: truncated, edited, of another schema. The message says which and why."""

    state: Literal["damaged", "newer"] = "damaged"


class NewerRecordError(DamagedRecordError):
    """A record that a later version of zigbench wrote: it is sound, and this version cannot read it."""

    state = "newer"


@dataclass(frozen=True)
class Damaged:
    """A record, or a part of a pack, that cannot be used, with the reason.

    Args:
        path: file that is damaged.
        reason: sentence for the user, which names the file.
        run: id of the run whose record it is; "" for what belongs to no single run.
        state: "newer" for the record of a later version of zigbench.
    """

    path: Path
    reason: str
    run: str = ""
    state: Literal["damaged", "newer"] = "damaged"


class Measurement(Spec):
    """One figure.

    Args:
        name: name of the measured quantity ("held_out_loss").
        value: the figure; None where it could not be measured (a note gives the reason).
        unit: "" for a pure number, otherwise "s", "B", "images/s", …
        higher_is_better: None where neither direction is better (a parameter count).
        step: optimizer step it belongs to; None for the run as a whole.
        samples: raw values behind ``value`` where it was repeated or is a mean.
        interval: 95 % interval (low, high) where one is known; of what was timed, the range of 90 % of the calls.
        protocol: hash of the protocol it was measured under, where it has one.
        note: a remark that a reader needs to interpret the figure.
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
    """The reason why a run has no result: the exception's type and message, its traceback, the end of its log."""

    kind: str
    message: str
    traceback: str = ""
    log_tail: str = ""


class Record(Spec):
    """The record of a finished run. ``spec`` is the resolved spec as JSON values; ``id`` is its hash."""

    schema_version: int = SCHEMA_VERSION
    id: str
    status: Status
    spec: dict[str, Any]
    measurements: tuple[Measurement, ...] = ()
    environment: dict[str, Any] = Field(default_factory=dict)
    error: Failure | None = None

    @classmethod
    def failed(cls, spec: RunSpec, status: Status, *, kind: str, message: str, log_tail: str = "") -> Record:
        """Return the record of a run that ended without a result, as another process writes it, with its environment.

        Args:
            spec: spec of the run.
            status: way in which it ended.
            kind: short name of the reason ("TimeLimit").
            message: sentence for the user.
            log_tail: last lines that the run's process printed.
        """
        error = Failure(kind=kind, message=message, log_tail=log_tail)
        return cls(id=spec.id, status=status, spec=spec.resolved(), environment=environment(), error=error)

    def to_json(self) -> str:
        """Return indented JSON with a checksum over the rest, which reveals an edit or a torn copy."""
        body = self.model_dump(mode="json")
        return json.dumps({**body, "checksum": checksum(body)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "record") -> Record:
        """Read what :meth:`to_json` wrote.

        Raises:
            NewerRecordError: a later schema.
            DamagedRecordError: not JSON, an unknown schema, a wrong checksum, or a spec that does not hash to the id.
        """
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DamagedRecordError(f"{where}: not readable as JSON ({error}): truncated or edited") from None
        if not isinstance(body, dict):
            raise DamagedRecordError(f"{where}: holds {type(body).__name__}, not a record")
        version = body.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise NewerRecordError(
                f"{where}: newer: its schema version is {version} and this zigbench reads {SCHEMA_VERSION}; "
                "upgrade zigbench"
            )
        if version != SCHEMA_VERSION:
            raise DamagedRecordError(f"{where}: schema version {version!r}; this zigbench reads {SCHEMA_VERSION}")
        claimed = body.pop("checksum", None)
        try:
            actual = checksum(body)
        except (ValueError, RecursionError) as error:  # NaN, Infinity, half of a surrogate pair: never written.
            raise DamagedRecordError(f"{where}: holds a value that no record can hold ({error}): edited") from None
        if claimed != actual:
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
        """Return a record from the JSON values of one that was read and checked before; nothing is checked again."""
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
        fields = {name: body[name] for name in cls.model_fields}
        return cls.model_construct(**{**fields, "measurements": measurements, "error": error})

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a record's file; raises as :meth:`from_json`, and OSError when it can't be opened."""
        return cls.from_json(cls.read_text(path), str(path))

    @staticmethod
    def read_text(path: Path) -> str:
        """Return the text of a record's file, unchecked; raises as :meth:`read`."""
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DamagedRecordError(f"{path}: not text ({error.reason}): damaged") from None

    def write(self, path: Path) -> None:
        """Write the record atomically; a record is never replaced.

        Raises:
            FileExistsError: there is one already.
            OSError: it can't be written.
        """
        write_atomically(path, self.to_json().encode(), replace=False)


def checksum(body: Mapping[str, Any]) -> str:
    """Return 16 digits of the SHA-256 of JSON values as sorted JSON.

    Raises:
        ValueError: a value that no JSON has (NaN).
    """
    return short_sha256(canonical_json(body))
