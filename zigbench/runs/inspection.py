"""What can be seen of a run's network afterwards: computed by plug-ins, kept in its folder for the reports to draw.

An inspection is a function ``(network, x, t, *, fresh) -> {name: array}``, registered in the group
``zigbench.inspections``. It is no part of a run: its files come and go, the record stays.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zigbench.backbone import initialised
from zigbench.records.folder import RunFolder
from zigbench.runs.weights import load_network
from zigbench.spec import EvaluationRun, RunSpec, registry
from zigbench.spec.files import write_atomically
from zigbench.training.checkpoints import CheckpointManager

SAMPLES = 16
"""Inputs that an inspection averages over: noise at times spread over [0, 1]."""

ABOUT = "about"
"""Name of the entry that says in JSON which weights were inspected."""


def inspect(folder: RunFolder, results: Path) -> tuple[Path, ...]:
    """Inspect a run's network with every plug-in and write ``<plug-in>.npz`` into its folder.

    The averaged weights are inspected where there are any; else the network that the run begins with, which the
    plug-in is told: gates that begin at zero hide all that a fresh network could see.

    Args:
        folder: of a run that was submitted.
        results: folder that holds ``runs`` and ``weights``.

    Raises:
        ValueError: the folder holds no sound spec, or its weights are damaged.
    """
    spec = folder.read_spec()
    network, source = _network(spec, folder, results)
    generator = torch.Generator().manual_seed(spec.seed)
    x = torch.randn(SAMPLES, *spec.geometry.sample_shape, generator=generator)
    t = (torch.arange(SAMPLES) + 0.5) / SAMPLES
    written = []
    for name in registry.inspections.names():
        found = registry.inspections.get(name)(network, x, t, fresh=source == "fresh")
        about = {"weights": source, "samples": SAMPLES, "seed": spec.seed}
        arrays: dict[str, Any] = {**found, ABOUT: np.array(json.dumps(about))}
        sink = io.BytesIO()
        np.savez_compressed(sink, **arrays)
        path = folder.path / f"{name}.npz"
        write_atomically(path, sink.getvalue())
        written.append(path)
    return tuple(written)


def _network(spec: RunSpec, folder: RunFolder, results: Path) -> tuple[nn.Module, str]:
    """The network on the CPU in evaluation mode, and where its weights are from."""
    if isinstance(spec, EvaluationRun):
        return load_network(spec, results), f"weights {spec.weights}"
    network = initialised(spec)
    checkpoint = CheckpointManager(folder.path / "checkpoints").newest()
    if checkpoint is None:
        return network.eval(), "fresh"
    network.load_state_dict(dict(checkpoint.average))
    return network.eval(), f"averaged weights of step {checkpoint.step}"
