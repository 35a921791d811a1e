"""Weights of feature extractors: from a given file, a cache or a download, always with their SHA-256."""

from __future__ import annotations

import os
import urllib.error
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from zigbench.spec.files import file_sha256

OFFLINE = ("ZIGBENCH_OFFLINE", "HF_HUB_OFFLINE")
"""Environment variables that forbid downloads when set to 1."""

FOLDER = "ZIGBENCH_WEIGHTS"
"""Environment variable that names a folder of weights, which is searched before the cache."""


class MissingWeightsError(ValueError):
    """Weights that are not on this machine and cannot be downloaded; the message has file, source and destination."""


@dataclass(frozen=True)
class Weights:
    """A file of published weights.

    Args:
        file: its name in the cache.
        url: its address.
        prefix: the beginning of its SHA-256, if the publisher states it.
    """

    file: str
    url: str
    prefix: str | None = None


@dataclass(frozen=True)
class WeightsFile:
    """A file on this machine and the SHA-256 of its contents."""

    path: Path
    sha256: str


def find_weights(weights: Weights, cache: Path, given: Path | None = None) -> WeightsFile:
    """Return the file of weights: the given one, else one in ``$ZIGBENCH_WEIGHTS``, in the cache, or a download.

    Args:
        weights: the published file.
        cache: the folder that runs share; downloads go to its ``weights`` folder.
        given: a file to use instead, whatever its hash.

    Raises:
        MissingWeightsError: the file is not on this machine, and downloads are off or fail.
        ValueError: a published file has another hash than the publisher's.
    """
    if given is not None:
        if not given.is_file():
            raise MissingWeightsError(f"there is no file of weights {given}")
        return WeightsFile(given, _sha256(given))
    home = cache / "weights" / weights.file
    places = [home]
    if os.environ.get(FOLDER):
        places.insert(0, Path(os.environ[FOLDER]) / weights.file)
    for place in places:
        if place.is_file():
            return _checked(weights, place)
    if any(os.environ.get(name) == "1" for name in OFFLINE):
        raise _missing(weights, home, "downloads are switched off")
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Writes to a temporary file, checks the hash where one is known, and moves it into place.
        torch.hub.download_url_to_file(weights.url, str(home), hash_prefix=weights.prefix, progress=False)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise _missing(weights, home, f"the download failed: {error}") from error
    return _checked(weights, home)


def _missing(weights: Weights, home: Path, why: str) -> MissingWeightsError:
    return MissingWeightsError(
        f"the weights {weights.file} are not on this machine ({why}); fetch {weights.url} elsewhere and put it at "
        f"{home}, or into the folder named by ${FOLDER}"
    )


def _checked(weights: Weights, path: Path) -> WeightsFile:
    digest = _sha256(path)
    if weights.prefix is not None and not digest.startswith(weights.prefix):
        raise ValueError(
            f"{path} has SHA-256 {digest[:16]}…, but the published {weights.file} begins with {weights.prefix}: "
            f"it is damaged or another file; delete it, or fetch {weights.url} again"
        )
    return WeightsFile(path, digest)


def _sha256(path: Path) -> str:
    status = path.stat()
    return _sha256_of(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256_of(path: str, size: int, changed: int) -> str:
    return file_sha256(path)
