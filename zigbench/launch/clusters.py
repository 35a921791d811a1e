"""Profiles of clusters, with the options that a site requires: one TOML file of the user's, none in the project.

::

    default = "lab"

    [clusters.lab]
    partition = "gpu"
    account = "vision"
    setup = ["module load cuda/12.4"]
    max_hours = 24
    max_parallel = 64
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from zigbench.spec import Positive, Spec, read
from zigbench.spec.errors import SpecError
from zigbench.spec.registry import nearest

VARIABLE = "ZIGBENCH_CLUSTERS"


class Cluster(Spec):
    """One profile; an option that is left out has the cluster's own default.

    Args:
        partition, account, qos, constraint, exclude: as sbatch takes them.
        setup: shell lines before a run ("module load cuda/12.4").
        options: further options of sbatch, by their long names.
        max_parallel: jobs of one array that run at a time.
        max_hours: longest time limit of a job; a longer run resumes in the next job.
        max_array: jobs in one array (SLURM's MaxArraySize less one).
        notice_seconds: time before the limit at which a run is signalled to write its checkpoint and end.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    setup: tuple[str, ...] = ()
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    max_parallel: Positive = 256
    max_hours: Annotated[float, Field(gt=0)] | None = None
    max_array: Positive = 1000
    notice_seconds: Positive = 120


class ClustersFile(Spec):
    """The whole file: profiles by name, and the name of the one that is taken by default."""

    default: str | None = None
    clusters: dict[str, Cluster] = Field(default_factory=dict)


def clusters_file() -> Path:
    """Return the user's file of profiles: ``ZIGBENCH_CLUSTERS``, or ``~/.config/zigbench/clusters.toml``."""
    path = os.environ.get(VARIABLE)
    if path:
        return Path(os.path.expanduser(path))
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    # Path's own expanduser raises where a container's user has neither home nor name.
    return Path(os.path.expanduser(home)) / "zigbench" / "clusters.toml"


def cluster(name: str | None = None, path: Path | None = None) -> Cluster:
    """Return the profile called ``name``; None for the file's default, or a bare one where there is no file.

    Raises:
        SpecError: the file has faults; all are listed.
        ValueError: there is no such profile, or no file to read it from.
    """
    path = path or clusters_file()
    if not path.exists():
        if name is None:
            return Cluster()
        raise ValueError(f"there is no profile {name!r}: {path} does not exist; create it or set {VARIABLE}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    try:
        file = read(ClustersFile, content)
    except SpecError as error:
        raise SpecError(replace(fault, path=f"{path}: {fault.path}") for fault in error.faults) from None
    name = name or file.default
    if name is None:
        return Cluster()
    if name not in file.clusters:
        near = nearest(name, list(file.clusters))
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"{path} has no profile {name!r}{hint} (it has: {', '.join(file.clusters) or 'none'})")
    return file.clusters[name]
