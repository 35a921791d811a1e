"""A diagnosis of the installation: versions, devices, kernels, plug-ins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from zigbench.cli.render import plain_table
from zigbench.records.environment import environment
from zigbench.spec import registry


def diagnose() -> Group:
    """Return tables of versions and devices, of kernels with the reason why each is used or not, and of faults."""
    import torch  # Imported here, because the other commands do not need it.

    here = environment()
    machine = here["machine"]
    rows = [("zigbench", here["zigbench"]), ("python", here["python"]), *here["packages"].items()]
    rows.append(("processor", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"))
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            rows.append((f"gpu {index}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"))
    else:
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU build"
        rows.append(("gpu", f"none that PyTorch can use (this PyTorch is {built}); runs compute on the CPU"))
    rows.append(("threads", _threads()))
    parts: list[object] = [plain_table(("part", "version"), rows)]
    for name, diagnostic in _sound(registry.diagnostics):
        parts += [Text(), plain_table((name, "state", "reason"), diagnostic())]
    faults = [fault for known in REGISTRIES for fault in _faults(known)]
    if faults:
        parts += [Text(), plain_table(("broken plug-in", "fault"), faults)]
    return Group(*parts)  # type: ignore[arg-type]


def _threads() -> str:
    """Return PyTorch's number of threads, and its speed beside that of one thread at this moment."""
    from zigbench.training.threads import VARIABLE, passes_by_threads  # torch

    speeds = passes_by_threads()
    own = max(speeds)
    if own == 1:
        return "1"
    ratio = speeds[own] / speeds[1]
    words = f"{own}, small layers at {ratio:.2g} times the speed of one thread"
    return words if ratio >= 1 else f"{words}: other processes use the cores; set {VARIABLE}=1"


REGISTRIES = (
    registry.backbones, registry.curves, registry.volumes, registry.data, registry.suites, registry.metrics,
    registry.objectives, registry.releases, registry.exports, registry.inspections, registry.diagnostics,
)  # fmt: skip


def _sound(known: registry.Registry[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the plug-ins of one kind that can be imported, by name."""
    with contextlib.suppress(ValueError):
        for name in known.names():
            with contextlib.suppress(ValueError):
                yield name, known.get(name)


def _faults(known: registry.Registry[Any]) -> Iterator[tuple[str, str]]:
    """Yield the faults of one kind of plug-ins: of the kind as a whole, or of each plug-in."""
    try:
        names = known.names()
    except ValueError as error:
        yield f"every {known.kind}", str(error)
        return
    for name in names:
        try:
            known.get(name)
        except ValueError as error:
            yield f"{known.kind} {name}", str(error)
