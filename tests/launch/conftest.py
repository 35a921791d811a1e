"""A scheduler's programs that say what a test has them say."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Callable[..., None]:
    """Puts shell scripts in front of all other programs: ``programs(squeue="exit 1")``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(**scripts: str) -> None:
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    return put
