"""Both functions under what PyTorch does to a network: compilation, export, autocast, checkpointing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import backbones.ops.conv.operator
import backbones.ops.scan.operator
from backbones.ops import causal_conv, selective_scan
from tests.backbones.ops.cases import ScanCase, scan_inputs


class Mixer(nn.Module):
    """The part of a Mamba block between its projections: convolution, projections, scan, gate."""

    def __init__(self, backend: str = "cpu", channels: int = 12, states: int = 4, length: int = 10) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.backend = backend
        self.weight = nn.Parameter(torch.randn(channels, 4, generator=g))
        self.project = nn.Parameter(0.1 * torch.randn(channels + 2 * states, channels, generator=g))
        self.rates = nn.Parameter(torch.rand(channels, states, generator=g))
        self.skip = nn.Parameter(torch.ones(channels))
        self.register_buffer("order", torch.randperm(length, generator=g))
        self.split = [channels, states, states]

    def forward(self, x: Tensor) -> Tensor:
        u, z = x.chunk(2, -1)
        u = causal_conv(u, self.weight, activation="silu", order=self.order, backend=self.backend)
        delta, B, C = torch.nn.functional.linear(u, self.project).split(self.split, -1)
        rates = -torch.exp(self.rates)
        return selective_scan(u, delta, rates, B, C, self.skip, z, order=self.order, backend=self.backend)


def _outcome(mixer: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = mixer(x)
    grads = torch.autograd.grad(y.square().sum(), [x, *module.parameters()])
    return [y.detach(), *grads]


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 10, 24, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_compiles_into_one_graph(backend: str, x: Tensor) -> None:
    mixer = Mixer(backend)
    torch._dynamo.reset()
    compiled = torch.compile(mixer, fullgraph=True, backend="aot_eager")
    for found, plain in zip(_outcome(compiled, mixer, x), _outcome(mixer, mixer, x), strict=True):
        torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)


def test_exports(x: Tensor) -> None:
    mixer = Mixer()
    program = torch.export.export(mixer, (x,))
    torch.testing.assert_close(program.module()(x), mixer(x))
    names = {str(node.target) for node in program.graph.nodes}
    assert {"zigbench.selective_scan.default", "zigbench.causal_conv.default"} <= names


def test_autocast_reaches_the_kernels_in_bfloat16(x: Tensor) -> None:
    mixer = Mixer()
    exact = _outcome(mixer, mixer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = mixer(x)
        assert y.dtype is torch.float32  # u and z came in as float32; the widest type wins
        half = mixer(x.bfloat16())
        assert half.dtype is torch.bfloat16
        cast = _outcome(mixer, mixer, x)
    for found, right in zip(cast, exact, strict=True):
        assert found.dtype is right.dtype
        assert float((found - right).abs().max()) <= 0.05 * float(right.abs().max())


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(reentrant: bool, x: Tensor) -> None:
    mixer = Mixer()
    plain = _outcome(mixer, mixer, x)
    if reentrant:
        leaf = x.detach().requires_grad_()
        y = checkpoint(mixer, leaf, use_reentrant=True)
        y.square().sum().backward()
        found = [y.detach(), leaf.grad, *(p.grad for p in mixer.parameters())]
    else:
        found = _outcome(lambda t: checkpoint(mixer, t, use_reentrant=False), mixer, x)
    assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))


def test_inference_mode_and_no_grad_agree(x: Tensor) -> None:
    mixer = Mixer()
    with torch.inference_mode():
        fast = mixer(x.clone())
    with torch.no_grad():
        assert torch.equal(mixer(x), fast.clone())


def test_an_order_made_in_inference_mode_is_checked_each_time() -> None:
    with torch.inference_mode():
        order = torch.arange(4)
    u, weight = torch.ones(1, 4, 2), torch.ones(2, 3)
    causal_conv(u, weight, order=order)
    with torch.inference_mode():
        order[0] = 3
    with pytest.raises(ValueError, match="exactly once"):
        causal_conv(u, weight, order=order)


@pytest.mark.parametrize("optional", [True, False])
def test_custom_ops_are_sound(optional: bool) -> None:
    x = scan_inputs(2, 20, 6, 3, optional=optional).to(torch.float32)
    given = (x.u, x.delta, x.A, x.B, x.C, x.D, x.z, x.delta_bias, True, x.order, "cpu", True)
    torch.library.opcheck(backbones.ops.scan.operator._scan, given)
    bias = torch.randn(6, requires_grad=True) if optional else None
    window = (x.u, torch.randn(6, 4, requires_grad=True), bias, "silu", x.order, "cpu")
    torch.library.opcheck(backbones.ops.conv.operator._conv, window)


def test_strange_defaults_do_not_reach_the_kernels() -> None:
    x = scan_inputs(2, 20, 6, 3).to(torch.float32)
    plain = x.call(backend="cpu")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = x.call(backend="cpu")
            grads = torch.autograd.grad(found, x.tensors(), torch.ones_like(plain))
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(found, plain)
    assert all(g.dtype is torch.float32 and g.device.type == "cpu" for g in grads)


def test_shapes_follow_without_data() -> None:
    x: ScanCase = scan_inputs(2, 20, 6, 3)
    meta = ScanCase(*(t.to("meta") for t in vars(x).values()))
    assert meta.call().shape == (2, 20, 6)
    assert causal_conv(meta.u, torch.empty(6, 4, device="meta")).shape == (2, 20, 6)
