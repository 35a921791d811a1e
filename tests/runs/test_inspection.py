"""Inspections: of fresh and of trained weights, beside a record that stays as it is."""

from __future__ import annotations

import json

import numpy as np
import torch

from backbones.analysis.reach import effective_receptive_field, open_gates
from zigbench import scan
from zigbench.backbone import initialised
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.runs.inspection import ABOUT, SAMPLES, inspect
from zigbench.spec import RunSpec
from zigbench.training.checkpoints import CheckpointManager


def load(path):
    with np.load(path) as stored:
        return dict(stored)


def test_a_fresh_network_then_its_averaged_weights(tmp_path, tiny):
    spec = RunSpec.parse({**tiny, "backbone.config.residual": "prenorm"})
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    (path,) = inspect(folder, tmp_path)
    fresh = load(path)
    assert path == folder.path / "receptive_field.npz"
    assert json.loads(str(fresh[ABOUT]))["weights"] == "fresh"
    assert fresh["seen"].shape == (3, 8, 8)
    # Of the very weights that the training begins with.
    start = open_gates(initialised(spec).eval())
    times = (torch.arange(SAMPLES) + 0.5) / SAMPLES
    noise = torch.randn(SAMPLES, *spec.geometry.sample_shape, generator=torch.Generator().manual_seed(spec.seed))
    assert np.allclose(fresh["field"], effective_receptive_field(start, noise, times).numpy())
    assert not fresh["field"][~fresh["seen"][-1]].any()
    exact = scan.reach(scan.layer_orders(spec.scan.curve, spec.scan.schemes, 2, (8, 8))).share
    assert np.allclose(fresh["reached"], [1 / 64, *exact[:2]])

    execute(folder, cache=tmp_path / "cache", device=torch.device("cpu"))
    record = folder.record.read_bytes()
    (path,) = inspect(folder, tmp_path)
    trained = load(path)
    assert json.loads(str(trained[ABOUT]))["weights"] == "averaged weights of step 4"
    assert not np.allclose(trained["field"], fresh["field"])
    assert np.array_equal(trained["seen"], fresh["seen"])
    assert folder.record.read_bytes() == record


def test_a_run_begins_with_the_network_that_is_inspected_fresh(tmp_path, tiny):
    spec = RunSpec.parse({**tiny, "optimizer.lr": 1e-12})
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    execute(folder, cache=tmp_path / "cache", device=torch.device("cpu"))
    checkpoint = CheckpointManager(folder.path / "checkpoints").newest()
    assert checkpoint is not None
    for name, value in initialised(spec).state_dict().items():
        torch.testing.assert_close(checkpoint.weights[name], value, rtol=1e-4, atol=1e-9)
