"""Recomputed blocks, compiled graphs, fused attention: they change the cost and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from backbones.layers.attention import CrossAttention, SelfAttention
from zigbench.backbone import Geometry, blocks, recomputed
from zigbench.spec import registry

from .helpers import fitting, moved

FAMILIES = registry.backbones.names()
LABELLED = Geometry(1, 4, 6, 2, classes=3)
TEXT = Geometry(1, 4, 6, 2, context=(3, 8))


def batch(geometry: Geometry) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    given = {
        "x": torch.randn(2, *geometry.sample_shape, generator=generator, dtype=torch.float64),
        "t": torch.rand(2, generator=generator, dtype=torch.float64),
    }
    if geometry.classes is not None:
        given["label"] = torch.tensor([1, -1])
    if geometry.context is not None:
        given["context"] = torch.randn(2, *geometry.context, generator=generator, dtype=torch.float64)
    return given


@pytest.mark.parametrize("geometry", [LABELLED, TEXT], ids=["labels", "text"])
@pytest.mark.parametrize("name", FAMILIES)
def test_recomputing_blocks_changes_no_output_and_no_gradient(name: str, geometry: Geometry) -> None:
    geometry = fitting(name, geometry)
    network = moved(name, geometry).train()
    given = batch(geometry)
    results = []
    for context in (contextlib.nullcontext(), recomputed(network)):
        network.zero_grad()
        with context:
            out = network(**given)
            out.square().sum().backward()
        results.append([out, *(p.grad for p in network.parameters() if p.requires_grad)])
    for plain, again in zip(*results, strict=True):
        torch.testing.assert_close(again, plain)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_lists_all_its_blocks_and_nothing_else(name: str) -> None:
    """Parameters that the depth does not change stand outside the blocks, and all blocks of one kind are listed."""
    geometry = fitting(name, LABELLED)
    shallow, deep = (moved(name, geometry, depth=depth, position="none") for depth in (4, 8))
    outside = []
    for network in (shallow, deep):
        inside = {id(part) for block in blocks(network) for part in block.parameters()}
        outside.append([part.shape for part in network.parameters() if id(part) not in inside])
    assert outside[0] == outside[1]
    assert len(blocks(deep)) == len(blocks(shallow)) + 4
    kinds = {type(block) for block in blocks(deep)}
    assert sum(type(module) in kinds for module in deep.modules()) == len(blocks(deep))


def test_recomputing_keeps_less_for_the_backward_pass() -> None:
    network = moved("zigma", Geometry(1, 8, 8, 1), depth=8).train()
    kept = []
    for context in (contextlib.nullcontext(), recomputed(network)):
        sizes: list[int] = []
        watching = torch.autograd.graph.saved_tensors_hooks(
            lambda x, into=sizes: into.append(x.nbytes) or x, lambda x: x
        )
        with context, watching:
            network(torch.zeros(2, 1, 8, 8, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 3


@pytest.fixture
def compiler() -> Iterator[None]:
    """A compiler without the graphs of other tests, whose number it limits."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("name", "geometry"),
    [*((name, LABELLED) for name in FAMILIES), ("zigma", TEXT), ("dit", TEXT), ("u-vit", TEXT)],
)
def test_each_backbone_is_one_graph_forward_and_backward(name: str, geometry: Geometry) -> None:
    geometry = fitting(name, geometry)
    network = moved(name, geometry, depth=2 if geometry.frames is None else 4).train()
    # fullgraph refuses any break; this backend traces the backward pass too and leaves out the slow code generation.
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    given = batch(geometry)
    expected = network(**given)
    out = compiled(**given)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_attention_reaches_the_flash_kernel() -> None:
    x = torch.randn(2, 9, 64)
    own, cross = SelfAttention(64, 2, qkv_bias=True), CrossAttention(64, 2, 32)
    expected = own(x), cross(x, x[:, :3])
    # With every other kernel ruled out, a call that the flash kernel can't take raises.
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        torch.testing.assert_close((own(x), cross(x, x[:, :3])), expected)
