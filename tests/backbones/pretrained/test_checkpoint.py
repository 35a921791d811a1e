"""Released weights: published keys in, published keys out, nothing lost and nothing guessed."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from backbones.pretrained import checkpoint
from backbones.pretrained.releases import RELEASES
from zigbench.backbone import Geometry, build, count_parameters
from zigbench.scan import make_order

from . import published_keys as published

IMAGE = Geometry(published.C, published.SIDE, published.SIDE, published.P)
LABELS = Geometry(published.C, published.SIDE, published.SIDE, published.P, classes=published.CLASSES)
TEXT = Geometry(published.C, published.SIDE, published.SIDE, published.P, context=(published.TOKENS, published.TEXT))
SMALL = {"width": published.D, "depth": published.DEPTH}

CASES: dict[str, tuple[str, dict[str, tuple[int, ...]], Geometry]] = {
    "zigma": ("zigma", published.zigma(), IMAGE),
    "zigma text": ("zigma", published.zigma(text=True), TEXT),
    "zigma sweep-2": ("zigma-sweep", published.zigma(backward=True), IMAGE),
    "zigma parallel": ("zigma-parallel", published.zigma(parallel=3), IMAGE),
    "dit": ("dit", published.dit(), LABELS),
    "sit": ("sit", published.dit(), LABELS),
    "u-vit": ("u-vit", published.u_vit(), IMAGE),
    "u-vit guided": ("u-vit", published.u_vit(classes=published.CLASSES + 1), LABELS),
    "u-vit unguided": ("u-vit", published.u_vit(classes=published.CLASSES), LABELS),
    "u-vit text": ("u-vit", published.u_vit(text=True), TEXT),
    "dis": ("dis", published.dis(), LABELS),
}


def filled(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A state dict of these shapes; where the release saves one tensor twice, so does this."""
    generator = torch.Generator().manual_seed(0)
    tensors = {key: 0.1 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    for key in tensors:
        last = key.replace("_b_log", "_b_log_list.2").replace("D_b", "D_b_list.2").replace("_b.", "_b_list.2.")
        if "_b" in key and "_list" not in key and last in tensors:
            tensors[key] = tensors[last]
    return tensors


@pytest.mark.parametrize("case", CASES)
def test_published_weights_come_in_and_go_out_unchanged(case: str) -> None:
    family, shapes, geometry = CASES[case]
    weights = filled(shapes)
    network = checkpoint.load(family, weights, geometry, **SMALL)
    back = checkpoint.export(network, family)
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[key], weights[key]) for key in weights)
    assert count_parameters(network) == sum(t.numel() for t in {id(t): t for t in weights.values()}.values())


@pytest.mark.parametrize("case", CASES)
def test_a_loaded_network_runs(case: str) -> None:
    family, shapes, geometry = CASES[case]
    network = checkpoint.load(family, filled(shapes), geometry, **SMALL).eval()
    label = None if geometry.classes is None else torch.tensor([0, geometry.classes - 1])
    out = network(torch.randn(2, *geometry.sample_shape), torch.rand(2), label=label)
    channels = geometry.channels * (2 if family in ("dit", "sit", "dis") else 1)
    assert out.shape == (2, channels, geometry.height, geometry.width)
    assert out.isfinite().all()


@pytest.mark.parametrize(("parallel", "backward"), [(0, False), (0, True), (3, False)])
def test_zigmas_blocks_are_told_by_their_keys(parallel: int, backward: bool) -> None:
    weights = filled(published.zigma(parallel=parallel, backward=backward))
    network = checkpoint.load("zigma", weights, IMAGE, **SMALL)
    expected = "parallel" if parallel else "sweep" if backward else "zigma"
    assert checkpoint.registered_name(network) == expected
    assert len(network.blocks[0].mixer.directions) == 1 + backward + parallel


def test_released_hilbert_weights_scan_along_the_sequence_of_the_releases_table() -> None:
    state = filled(published.zigma())
    network = checkpoint.load("zigma", state, IMAGE, **SMALL, curve="hilbert-released")
    assert network.scan.curve == "hilbert-released[numbering=release]"
    ranks = make_order("hilbert", IMAGE.grid).rank.reshape(IMAGE.grid).T
    for layer, block in enumerate(network.blocks):
        turned = np.rot90(ranks, layer // 2)
        expected = turned.T if layer % 2 else turned
        assert block.mixer.orders[0].tolist() == expected.flatten().tolist()
    # Other curves have one numbering, and so has a network that was trained here.
    assert checkpoint.load("zigma", state, IMAGE, **SMALL, curve="hilbert").scan.curve == "hilbert"
    assert build("zigma", IMAGE, **SMALL, curve="hilbert-released").scan.curve == "hilbert-released"


def test_vims_mixers_and_norms_are_taken_and_the_rest_is_left() -> None:
    weights = filled(published.vim())
    network = checkpoint.load("vim", weights, IMAGE, **SMALL)
    back = checkpoint.export(network, "vim")
    assert all(torch.equal(back[key], weights[key]) for key in back)
    left = {"cls_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias", "head.weight", "head.bias"}
    assert weights.keys() - back.keys() == left


def test_what_a_release_fixes_travels_with_it() -> None:
    assert RELEASES["dit"].interpolant == RELEASES["u-vit"].interpolant == {"path": "vp", "prediction": "noise"}
    assert RELEASES["sit"].interpolant == {"path": "linear", "prediction": "velocity"}
    sit = checkpoint.load("sit", filled(published.dit()), LABELS, **SMALL)
    assert (sit.config.time, sit.config.learned_sigma) == ("unit", True)
    zigma = checkpoint.load("zigma", filled(published.zigma()), IMAGE, **SMALL)
    assert zigma.config.residual == "released"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("norm_f.weight"), "does not have norm_f.weight"),
        (lambda w: w.update(stray=torch.zeros(1)), "has stray, which the network does not have"),
        (
            lambda w: w.update({"norm_f.weight": torch.zeros(7)}),
            r"norm_f.weight is \(7,\) in the file and \(32,\) in the network",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(change: Any, words: str) -> None:
    weights = filled(published.zigma())
    change(weights)
    with pytest.raises(ValueError, match=words):
        checkpoint.load("zigma", weights, IMAGE, **SMALL)


def test_a_file_of_another_size_or_an_unknown_release_is_refused() -> None:
    weights = filled(published.zigma())
    with pytest.raises(ValueError, match=r"and \d+ more"):
        checkpoint.load("zigma", weights, IMAGE, width=16, depth=4)
    with pytest.raises(ValueError, match=r"unknown release 'zigmaa' \(known: zigma, "):
        checkpoint.load("zigmaa", weights, IMAGE, **SMALL)
    network = checkpoint.load("zigma", weights, IMAGE, **SMALL)
    with pytest.raises(ValueError, match="this network is 'zigma'"):
        checkpoint.export(network, "dit")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_files_are_read_as_tensors_only(tmp_path: Path, suffix: str) -> None:
    weights = filled(published.zigma())
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(weights, path)
    else:
        wrapped = {f"module.{key}": value for key, value in weights.items()}
        torch.save({"model": {"w": torch.zeros(1)}, "ema": wrapped, "step": 3, "args": Namespace(lr=1e-4)}, path)
    found = checkpoint.read(path)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[key], weights[key]) for key in weights)


class Harmful:
    """An object that a hostile file may hold."""


@pytest.mark.parametrize(
    "wrapped",
    [
        "module.{}", "_orig_mod.{}", "module._orig_mod.{}", "_orig_mod.module.{}", "module.module.{}",
        "_fsdp_wrapped_module.{}", "_fsdp_wrapped_module._orig_mod.{}", "_checkpoint_wrapped_module.{}",
    ],
)  # fmt: skip
def test_names_are_those_of_the_network_whatever_it_was_wrapped_in(tmp_path: Path, wrapped: str) -> None:
    weights = filled(published.zigma())
    torch.save({"ema": {wrapped.format(key): value for key, value in weights.items()}}, tmp_path / "w.pt")
    assert checkpoint.read(tmp_path / "w.pt").keys() == weights.keys()
    inside = {re.sub(r"^blocks\.(\d+)\.", r"blocks.\1._orig_mod.", key): value for key, value in weights.items()}
    torch.save(inside, tmp_path / "blocks.pt")
    assert checkpoint.read(tmp_path / "blocks.pt").keys() == weights.keys()


def test_one_weight_under_two_names_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1), "module.a": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"holds 'a' twice, once as 'module\.a'; keep one"):
        checkpoint.read(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.pt", None, "no such file"),
        ("weights.bin", b"", "expected .pt, .pth or .safetensors"),
        ("torn.pt", b"not a file of torch", "truncated, no file of torch, or holds more"),
        ("short.pt", b"hi", "truncated, no file of torch, or holds more"),
        ("empty.pt", b"", "truncated, no file of torch, or holds more"),
        ("torn.safetensors", b"not one either", "cannot be read as tensors"),
        ("list.pt", [1, 2], "holds no state dict"),
        ("code.pt", Harmful(), "holds more than tensors"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: object, words: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match=words):
        checkpoint.read(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights.pt"
    torch.save(filled(published.zigma()), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for part in range(32):
        path.write_bytes(whole[: part * len(whole) // 32])
        with pytest.raises(ValueError, match="truncated, no file of torch"):
            checkpoint.read(path)
