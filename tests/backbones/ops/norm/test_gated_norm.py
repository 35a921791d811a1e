"""The fused norm with a gate against the same written op by op."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import rms_norm, silu

from backbones.ops.norm.gated_norm import gated_rms_norm

EPS = 1e-5


def plainly(y: Tensor, z: Tensor, weight: Tensor, *, gate_first: bool) -> Tensor:
    gate = silu(z)
    groups = (y * gate if gate_first else y).unflatten(-1, (-1, len(weight)))
    out = rms_norm(groups, weight.shape, weight, EPS).flatten(-2)
    return out if gate_first else out * gate


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 40)),
    groups=st.integers(1, 4),
    width=st.sampled_from([5, 16, 33]),
    gate_first=st.booleans(),
    strided=st.booleans(),
)
def test_outputs_and_gradients_are_those_of_separate_ops(
    shape: tuple[int, int], groups: int, width: int, gate_first: bool, strided: bool
) -> None:
    generator = torch.Generator().manual_seed(shape[1])
    y, both = (torch.randn(*shape, n * groups * width, generator=generator) for n in (1, 2))
    weight = torch.randn(width, generator=generator)
    z = both.chunk(2, dim=-1)[1] if strided else both.chunk(2, dim=-1)[1].contiguous()
    results = []
    for kind in (torch.float32, torch.float64):
        leaves = [x.detach().to(kind).requires_grad_() for x in (y, z, weight)]
        if kind is torch.float32:
            out = gated_rms_norm(*leaves, EPS, gate_first=gate_first)
        else:
            out = plainly(*leaves, gate_first=gate_first)
        (out * torch.linspace(-1, 1, out.numel(), dtype=kind).view_as(out)).sum().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for ours, exact in zip(*results, strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=1e-4)


def test_what_the_kernels_do_not_take_is_written_op_by_op() -> None:
    y, z, weight = torch.randn(2, 3, 8), torch.randn(2, 3, 8), torch.randn(4)
    exact = plainly(y.double(), z.double(), weight.double(), gate_first=False)
    for kind in (torch.float64, torch.bfloat16):
        out = gated_rms_norm(y.to(kind), z.to(kind), weight.to(kind), EPS, gate_first=False)
        assert out.dtype is kind
        torch.testing.assert_close(out.double(), exact, rtol=0.05, atol=0.05)
    tangents = torch.func.jvp(lambda x: gated_rms_norm(x, z, weight, EPS, gate_first=True), (y,), (torch.ones_like(y),))
    step = 1e-3
    moved = [plainly(y + sign * step, z, weight, gate_first=True) for sign in (1, -1)]
    torch.testing.assert_close(tangents[1], (moved[0] - moved[1]) / (2 * step), rtol=0.02, atol=0.02)
