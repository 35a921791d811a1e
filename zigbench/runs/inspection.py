"""Inspections of a run's network: arrays that plug-ins compute, stored in the run's folder for the reports to draw.

An inspection is a function ``(network, x, t, *, fresh) -> {name: array}``, registered in the group
``zigbench.inspections``. It is no part of a run: its files may be deleted, and the record does not change.
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
"""Number of inputs that an inspection averages over: noise at times spread over [0, 1]."""

ABOUT = "about"
"""Name of the entry that says in JSON which weights were inspected."""


def inspect(folder: RunFolder, results: Path) -> tuple[Path, ...]:
    """Inspect a run's network with every plug-in and write ``<plug-in>.npz`` into its folder.

    The averaged weights are inspected if there are any; else the initialised network, with ``fresh`` set: gates that
    begin at zero would hide the whole receptive field of a fresh network.

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
        results_of_plugin = registry.inspections.get(name)(network, x, t, fresh=source == "fresh")
        about = {"weights": source, "samples": SAMPLES, "seed": spec.seed}
        arrays: dict[str, Any] = {**results_of_plugin, ABOUT: np.array(json.dumps(about))}
        sink = io.BytesIO()
        np.savez_compressed(sink, **arrays)
        path = folder.path / f"{name}.npz"
        write_atomically(path, sink.getvalue())
        written.append(path)
    return tuple(written)


def _network(spec: RunSpec, folder: RunFolder, results: Path) -> tuple[nn.Module, str]:
    """Return the network on the CPU in evaluation mode, and the origin of its weights."""
    if isinstance(spec, EvaluationRun):
        return load_network(spec, results, folder.path.parent), f"weights {spec.weights}"
    network = initialised(spec)
    checkpoint = CheckpointManager(folder.path / "checkpoints").newest()
    if checkpoint is None:
        return network.eval(), "fresh"
    network.load_state_dict(dict(checkpoint.average))
    return network.eval(), f"averaged weights of step {checkpoint.step}"
