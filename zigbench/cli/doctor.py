"""What this machine offers and what zigbench makes of it: versions, devices, kernels, plug-ins."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from zigbench.cli.render import plain_table
from zigbench.records.record import environment
from zigbench.spec import registry


def report() -> Group:
    """Tables of versions and devices, of every kernel with why it is used or not, and of broken plug-ins."""
    import torch

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
    parts: list[object] = [plain_table(("what", "version"), rows)]
    broken = {f"{known.kind} {name}": fault for known in REGISTRIES for name, fault in _broken(known)}
    for name in registry.diagnostics.names():
        if f"{registry.diagnostics.kind} {name}" not in broken:
            parts += [Text(), plain_table((name, "state", "why"), registry.diagnostics.get(name)())]
    if broken:
        parts += [Text(), plain_table(("broken plug-in", "what is wrong"), broken.items())]
    return Group(*parts)  # type: ignore[arg-type]


REGISTRIES = (
    registry.backbones, registry.curves, registry.volumes, registry.data, registry.suites, registry.metrics,
    registry.releases, registry.inspections, registry.diagnostics,
)  # fmt: skip


def _broken(known: registry.Registry[object]) -> Iterator[tuple[str, str]]:
    for name in known.names():
        try:
            known.get(name)
        except ValueError as error:
            yield name, str(error)
