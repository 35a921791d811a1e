"""What a site asks of those who submit there: profiles in one TOML file of the user's, none in the project.

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
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from zigbench.spec import Positive, Spec
from zigbench.spec.overrides import Fault, SpecError
from zigbench.spec.registry import nearest

VARIABLE = "ZIGBENCH_CLUSTERS"


class Cluster(Spec):
    """One profile; what is left out is left to the cluster's own defaults.

    Args:
        partition, account, qos, constraint, exclude: as sbatch takes them.
        setup: shell lines before a run ("module load cuda/12.4").
        options: further options of sbatch, by their long names.
        max_parallel: jobs of one array that run at a time.
        max_hours: longest time that a job may ask for; longer runs go on in the next.
        max_array: jobs in one array (SLURM's MaxArraySize less one).
        notice_seconds: time before the limit at which a run is told to write its checkpoint and leave.
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


def clusters_file() -> Path:
    """The user's file of profiles: ``ZIGBENCH_CLUSTERS``, or ``~/.config/zigbench/clusters.toml``."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "zigbench" / "clusters.toml"


def cluster(name: str | None = None, path: Path | None = None) -> Cluster:
    """The profile called ``name``; None for the file's default, or a bare one where there is no file.

    Raises:
        SpecError: the file has faults; all are listed.
        ValueError: there is no such profile, or no file to look it up in.
    """
    path = path or clusters_file()
    if not path.exists():
        if name is None:
            return Cluster()
        raise ValueError(f"there is no profile {name!r}: {path} does not exist; make it, or name another in {VARIABLE}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    profiles = _profiles(content, path)
    name = name or content.get("default")
    if name is None:
        return Cluster()
    if name not in profiles:
        near = nearest(name, list(profiles))
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"{path} has no profile {name!r}{hint} (it has: {', '.join(profiles) or 'none'})")
    return profiles[name]


def _profiles(content: dict[str, object], path: Path) -> dict[str, Cluster]:
    faults = [
        Fault(f"{path}: {key}", "", "unknown key", "allowed: default, clusters")
        for key in content
        if key not in ("default", "clusters")
    ]
    default = content.get("default")
    if default is not None and not isinstance(default, str):
        faults.append(Fault(f"{path}: default", repr(default), "must be a profile's name, in quotes"))
    profiles = {}
    tables = content.get("clusters", {})
    if not isinstance(tables, dict):
        raise SpecError([*faults, Fault(f"{path}: clusters", repr(tables), "must be tables, [clusters.NAME]")])
    for name, table in tables.items():
        if not isinstance(table, dict):
            faults.append(Fault(f"{path}: clusters.{name}", repr(table), f"must be a table, [clusters.{name}]"))
            continue
        try:
            profiles[name] = Cluster.model_validate(table)
        except ValidationError as error:
            for detail in error.errors():
                key = ".".join(map(str, detail["loc"]))
                near = nearest(key, list(Cluster.model_fields))
                known = (f"did you mean {near!r}? " if near else "") + f"allowed: {', '.join(Cluster.model_fields)}"
                extra = detail["type"] == "extra_forbidden"
                what = ("unknown key", known) if extra else (detail["msg"], "")
                faults.append(Fault(f"{path}: clusters.{name}.{key}", repr(detail["input"]), *what))
    if faults:
        raise SpecError(faults)
    return profiles
