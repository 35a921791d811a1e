"""Laws of the inputs that a backbone refuses: the error names both sides."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from zigbench.backbone import Geometry, build

FAMILIES = ["zigma", "dit", "u-vit", "dis", "dim"]
SMALL = {"width": 16, "depth": 2}


@pytest.mark.parametrize("name", FAMILIES)
def test_an_image_of_another_shape_is_refused(name: str) -> None:
    network = build(name, Geometry(1, 4, 6, 2), **SMALL)
    with pytest.raises(ValueError, match=r"\(2, 1, 6, 4\).*\(1, 4, 6\)"):
        network(torch.zeros(2, 1, 6, 4), torch.zeros(2))
    with pytest.raises(ValueError, match="one time for each of 2 samples"):
        network(torch.zeros(2, 1, 4, 6), torch.zeros(3))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("label", [-2, 3])
def test_a_label_out_of_range_is_refused(name: str, label: int) -> None:
    network = build(name, Geometry(1, 4, 6, 2, classes=3), **SMALL)
    with pytest.raises(ValueError, match=rf"label {label} is outside \[-1, 3\)"):
        network(torch.zeros(2, 1, 4, 6), torch.zeros(2), label=torch.tensor([0, label]))


def test_the_null_label_needs_label_dropout() -> None:
    network = build("dit", Geometry(1, 4, 6, 2, classes=3), label_dropout=0.0, **SMALL)
    with pytest.raises(ValueError, match=r"outside \[0, 3\).*label_dropout = 0"):
        network(torch.zeros(2, 1, 4, 6), torch.zeros(2), label=torch.tensor([0, -1]))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_context_of_another_width_is_refused(name: str) -> None:
    network = build(name, Geometry(1, 4, 6, 2, context=(3, 8)), **SMALL)
    with pytest.raises(ValueError, match=r"\(2, 3, 9\).*\(2, 3, 8\)"):
        network(torch.zeros(2, 1, 4, 6), torch.zeros(2), context=torch.zeros(2, 3, 9))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_condition_that_the_network_lacks_is_refused(name: str) -> None:
    network = build(name, Geometry(1, 4, 6, 2), **SMALL)
    with pytest.raises(ValueError, match="without classes"):
        network(torch.zeros(2, 1, 4, 6), torch.zeros(2), label=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="without one"):
        network(torch.zeros(2, 1, 4, 6), torch.zeros(2), context=torch.zeros(2, 3, 8))


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("dit", {"width": 16, "heads": 3}, "heads 3 does not divide width 16"),
        ("u-vit", {"width": 16, "heads": 3}, "heads 3 does not divide width 16"),
        ("u-vit", {"depth": 3}, "depth 3 is odd"),
        ("dit", {"width": 18}, "position = 'sincos': needs a width that 4 divides"),
        ("zigma", {"schemes": 9}, "schemes = 9: a curve has 8 symmetries"),
        ("zigma", {"curve": "zigzga"}, "did you mean 'zigzag'"),
        ("zigma", {"widht": 3}, "widht"),
        ("zigma", {"depth": -1}, "greater than 0"),
        ("sweep", {"schemes": 3}, r"scan.schemes = 3: the backbone 'sweep' has 1 \(forward\) or 2"),
        ("sweep", {"curve": "zigzag"}, "'sweep'"),
        ("dit", {"curve": "zigzag"}, "scan.curve = 'zigzag': has no meaning for the backbone 'dit'"),
        ("zigma", {"size": "XXL"}, r"unknown size 'XXL' \(known: S, B, M, L, H\)"),
        ("zigma", {"drop_path": 1.5}, "less than or equal to 1"),
    ],
)
def test_an_impossible_config_is_refused(name: str, config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(name, Geometry(1, 4, 6, 2), **{**SMALL, **config})


def test_dim_refuses_clips_and_a_patch_has_to_divide() -> None:
    with pytest.raises(ValueError, match="clips of 3 frames"):
        build("dim", Geometry(1, 4, 6, 2, frames=3), **SMALL)
    with pytest.raises(ValueError, match="patch 4 does not divide 6×8"):
        Geometry(1, 6, 8, 4)
