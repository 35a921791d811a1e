"""Atomic writes of files, and hashes of contents."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

SHORT = 16
"""Hexadecimal digits of a hash that identifies one of thousands: a run, a protocol, a cached file."""


def sha256(*parts: str | Buffer) -> str:
    """Return the SHA-256 of ``parts`` one after the other, 64 hexadecimal digits.

    Text counts as its UTF-8, a buffer as the bytes of its values.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def short_sha256(*parts: str | Buffer) -> str:
    """Return the first 16 digits of :func:`sha256`."""
    return sha256(*parts)[:SHORT]


def file_sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file's content, which is read piece by piece.

    Raises:
        OSError: the file can't be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stream_sha256(file: IO[bytes], limit: int) -> str | None:
    """Return the SHA-256 of the content of ``file``; None if it is longer than ``limit`` bytes."""
    digest, size = hashlib.sha256(), 0
    while piece := file.read(1 << 20):
        size += len(piece)
        if size > limit:
            return None
        digest.update(piece)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write ``content`` to ``path`` atomically, through a temporary file in the same folder.

    Args:
        path: file that is replaced, or in case of an error not changed.
        content: bytes of the file.
        durable: wait until the disk has them; False for files that can be written again.

    Raises:
        OSError: a full disk, a read-only folder; ``path`` is not changed.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
