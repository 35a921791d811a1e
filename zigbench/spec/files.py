"""Atomic writes of files, and hashes of contents."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable
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


def digest_of(root: Path, names: Iterable[str]) -> str:
    """Return 16 digits that stand for the names and contents of files under ``root``, absent ones included."""
    parts: list[str | bytes] = []
    for name in names:
        content = (root / name).read_bytes() if (root / name).is_file() else b""
        parts += [f"{name}\0", bytes.fromhex(sha256(content))]
    return short_sha256(*parts)


def new_file(folder: Path, prefix: str) -> tuple[int, Path]:
    """Create a file with a random name, open for reading and writing, and return its descriptor and path.

    Its permissions follow the umask, so a group that shares a results folder can read and replace it;
    :mod:`tempfile` would make it private.
    """
    while True:
        path = folder / f"{prefix}{secrets.token_hex(4)}"
        with contextlib.suppress(FileExistsError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), path


def new_folder(parent: Path, prefix: str) -> Path:
    """Create a folder with a random name and the permissions of the umask, and return its path."""
    while True:
        path = parent / f"{prefix}{secrets.token_hex(4)}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path


def write_atomically(path: Path, content: bytes, *, durable: bool = True, replace: bool = True) -> None:
    """Write ``content`` to ``path`` atomically, through a temporary file in the same folder.

    Args:
        path: file that is replaced, or in case of an error not changed.
        content: bytes of the file.
        durable: wait until the disk has them; False for files that can be written again.
        replace: replace a file that exists; False to raise.

    Raises:
        FileExistsError: there is a file already, which is not to be replaced.
        OSError: a full disk, a read-only folder; ``path`` is not changed.
    """
    handle, temporary = new_file(path.parent, f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            _link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Errors of a file system on which a file has one name only."""


def _link(temporary: Path, path: Path) -> None:
    """Give a complete file the name ``path``, which exactly one of several contenders gets.

    Raises:
        FileExistsError: another file has the name.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        # NFS answers so, too, where the request was granted and its answer lost.
        if not os.path.samefile(temporary, path):
            raise
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        path.open("xb").close()
        temporary.replace(path)


def full_disk(folder: Path, size: int) -> OSError | None:
    """Return the error of a disk or quota in which ``size`` more bytes have no room; None where they have.

    Room is reserved in a file without a name, which costs no writing and shows a quota, too.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OSError(error.errno, os.strerror(error.errno), str(folder))
    return None
