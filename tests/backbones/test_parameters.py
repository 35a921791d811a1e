"""Parameter counts: published, declared and actual are one number."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.config import layers
from tests.support import published_parameters as table
from zigbench.backbone import Geometry, build, build_from, count_parameters
from zigbench.spec import NetworkSpec, registry

FAMILIES = [
    "zigma",
    "sweep",
    "bidirectional",
    "vision-mamba",
    "parallel",
    "dit",
    "u-vit",
    "dis",
    "dim",
    "zigma-video",
    "dit-video",
]


@pytest.mark.parametrize("row", table.ROWS, ids=lambda row: row.label)
def test_published_counts_are_reproduced(row: table.Row) -> None:
    assert row.exact, (row.counted, row.published)


@pytest.mark.parametrize("row", [row for row in table.ROWS if not row.classifier], ids=lambda row: row.label)
def test_the_networks_of_the_table_have_the_declared_parameters(row: table.Row) -> None:
    with torch.device("meta"):
        network = build(row.family, row.geometry, **row.config)
    assert count_parameters(network) == row.counted


@pytest.mark.parametrize(("size", "width"), [("Ti", 192), ("S", 384), ("B", 768)])
def test_a_vim_classifier_is_the_mixers_and_norms_of_this_backbone_and_its_shell(size: str, width: int) -> None:
    with torch.device("meta"):
        network = build("vision-mamba", table.PATCH_2, size=size)
    kept = sum(count_parameters(block.mixer) + count_parameters(block.norm) for block in network.blocks)
    shell = 16 * 16 * 3 * width + width + (14 * 14 + 1) * width + width + width + 1000 * width + 1000
    row = next(row for row in table.ROWS if row.label == f"Vim-{size} 224")
    assert kept + shell == row.published


geometries = st.builds(
    lambda channels, rows, columns, patch, frames, classes, context: Geometry(
        channels, rows * patch, columns * patch, patch, frames=frames, classes=classes, context=context
    ),
    channels=st.integers(1, 4),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    patch=st.sampled_from([1, 2, 4, 8]),
    frames=st.none() | st.integers(1, 3),
    classes=st.none() | st.integers(1, 5),
    context=st.none() | st.tuples(st.integers(1, 4), st.integers(1, 9)),
)


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(FAMILIES),
    geometry=geometries,
    width=st.sampled_from([8, 20, 36]),
    depth=st.sampled_from([2, 4]),
    position=st.sampled_from(["none", "sincos", "learned", "per-layer"]),
    label_dropout=st.sampled_from([0.0, 0.1]),
    learned_sigma=st.booleans(),
    axes=st.sampled_from(["joint", "space", "time", "both"]),
)
def test_declared_parameters_are_the_actual_ones(family: str, geometry: Geometry, axes: str, **config: object) -> None:
    if family.endswith("-video"):
        geometry = replace(geometry, frames=geometry.frames or 2)
        config |= {"pattern": "st", "position_axes": "joint" if config["position"] == "sincos" else axes}
    elif geometry.frames is not None and registry.backbones.get(family).default_scan is not None:
        config["curve"] = "sweep"
    spec = NetworkSpec.of(family, **config)
    if any(spec.faults(geometry)):
        assert family == "dim"
        assert geometry.frames is not None
        return
    with torch.device("meta"):
        network = build_from(spec, geometry)
    assert count_parameters(network) == spec.parameters(geometry)


def test_parameters_are_counted_without_torch() -> None:
    code = (
        "import sys; from zigbench.spec import Geometry, NetworkSpec, registry; "
        "[NetworkSpec.of(name).parameters(Geometry(4, 32, 32, 2)) for name in registry.backbones.names()]; "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_ways_to_scan_clips_differ_by_the_second_direction_alone() -> None:
    shown = table.surpluses()
    second = layers.scan_branch(table.CLIP.tokens, 768, d_state=16, d_conv=4, expand=2).parameters
    assert shown.pop("3D sweep, both ways")[1] == 24 * second
    assert {surplus for _, surplus in shown.values()} == {0}
