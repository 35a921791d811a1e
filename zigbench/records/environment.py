"""The environment of a measurement: versions, code and machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from zigbench import __version__
from zigbench.spec.files import digest_of
from zigbench.spec.registry import plugin_digests

SNAPSHOT = "snapshot.json"
"""File in a copy of the code that names the commit it was copied from."""

PACKAGES = (
    "torch", "numpy", "numba", "triton", "mamba-ssm", "causal-conv1d", "timm", "torch-fidelity",
    "scikit-learn", "scipy", "torchdiffeq",
)  # fmt: skip


def environment(**extra: Any) -> dict[str, Any]:
    """Return versions, code and machine of this process; ``extra`` is added to them (device, kernels).

    The code has digests of the plug-ins that came from files and modules of the user's.
    """
    plugins = plugin_digests()
    return {
        "zigbench": __version__,
        "python": platform.python_version(),
        "packages": dict(_versions()),
        "code": {**dict(_code()), **({"plugins": plugins} if plugins else {})},
        "machine": dict(_machine()),
        **extra,
    }


def machine_name(environment: Mapping[str, Any]) -> str:
    """Return the name of a record's machine: its GPU, or its processor and cores."""
    machine = environment.get("machine", {})
    cpu = f"{machine.get('cpu', 'unknown machine')} · {machine.get('cores', '?')} cores"
    device = environment.get("device", "cpu")
    return cpu if device == "cpu" else str(device)


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    versions = []
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append((name, importlib.metadata.version(name)))
    return tuple(versions)


@lru_cache(maxsize=1)
def _code() -> tuple[tuple[str, Any], ...]:
    root = Path(__file__).resolve().parents[2]
    if (root / SNAPSHOT).exists():
        return tuple(json.loads((root / SNAPSHOT).read_text(encoding="utf-8")).items())
    return tuple(code_of(root).items())


def code_of(root: Path) -> dict[str, Any]:
    """Return the code of a checkout: its commit, whether its sources differ from that, and a digest of those that do.

    Two checkouts for which this is equal hold equal code. Outside of a checkout commit and "dirty" are None, also where
    a repository lies around code that it does not track, such as a package installed into an environment within it.
    """
    if not is_checkout(root):
        return {"commit": None, "dirty": None}
    sources = [name for name in ("zigbench", "backbones", "suites", "pyproject.toml") if (root / name).exists()]

    def git(*arguments: str) -> str | None:
        return _git(root, *arguments)

    commit = git("rev-parse", "HEAD")
    # Relative names: the repository's top may lie above.
    changed = git("diff", "HEAD", "--name-only", "-z", "--relative", "--no-renames", "--", *sources)
    added = git("ls-files", "-z", "--others", "--exclude-standard", "--", *sources)
    if commit is None or changed is None or added is None:
        return {"commit": commit, "dirty": None}
    names = sorted(filter(None, f"{changed}\0{added}".split("\0")))
    return {"commit": commit, "dirty": bool(names), **({"changes": digest_of(root, names)} if names else {})}


def is_checkout(root: Path) -> bool:
    """Return whether ``root`` lies in a git repository that tracks the code in it."""
    return bool(_git(root, "ls-files", "--", "zigbench"))


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints in a folder; None where it fails."""
    try:
        process = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()


@lru_cache(maxsize=1)
def _machine() -> tuple[tuple[str, Any], ...]:
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    return (
        ("system", platform.system()),
        ("architecture", platform.machine()),
        ("cpu", cpu),
        ("cores", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    )
