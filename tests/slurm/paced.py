"""A plug-in: digits read at a given pace, so that a fault finds a run at work, and that eat memory when told to.

``ZIGBENCH_PACE`` is the pause before each batch, in seconds, until the file named by ``ZIGBENCH_HURRY`` is there; a
twin without it computes the same. The file named by ``ZIGBENCH_EATS`` is taken away by the first to see it, who then
grows until it is stopped. While the file named by ``ZIGBENCH_ESTALE`` is there, no heartbeat can be written, as on a
network file system whose server was restarted; a file beside it notes that one was tried.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Any, ClassVar

from zigbench.data.builtin.digits import DigitsConfig
from zigbench.spec import registry


@registry.data.register("paced-digits")
class PacedConfig(DigitsConfig):
    """The digits, slowly."""

    loader: ClassVar[str] = f"{__name__}:Paced"


class Paced:
    """The digits' loader with a pause in each batch."""

    def __init__(self, config: PacedConfig) -> None:
        from zigbench.data.builtin.loaders.digits import Digits

        self._digits = Digits(config)

    def split(self, name: str) -> Any:
        return PacedSplit(self._digits.split(name))


class PacedSplit:
    """A split with a pause before each batch; otherwise the one it is made of."""

    def __init__(self, split: Any) -> None:
        self._split = split
        self._pause = float(os.environ.get("ZIGBENCH_PACE", "0"))
        self._hurry = os.environ.get("ZIGBENCH_HURRY")
        self._food = os.environ.get("ZIGBENCH_EATS")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._split, name)

    def __len__(self) -> int:
        return len(self._split)

    def batch(self, indices: Any) -> Any:
        if not (self._hurry and Path(self._hurry).exists()):
            time.sleep(self._pause)
        if self._food:
            with contextlib.suppress(FileNotFoundError):
                Path(self._food).unlink()
                _eat()
        return self._split.batch(indices)


def _eat(seconds: float = 60.0) -> None:
    eaten = []
    for _ in range(40):
        eaten.append(bytearray(os.urandom(1) * 2**26))
    time.sleep(seconds)


def _fail_heartbeats(sign: Path) -> None:
    utime = os.utime

    def fail(path: Any, *arguments: Any, **options: Any) -> None:
        if sign.exists() and Path(path).name.startswith("claim."):
            sign.with_suffix(".tried").touch()
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        utime(path, *arguments, **options)

    os.utime = fail  # type: ignore[assignment]


if "ZIGBENCH_ESTALE" in os.environ:
    _fail_heartbeats(Path(os.environ["ZIGBENCH_ESTALE"]))
