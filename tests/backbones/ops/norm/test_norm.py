"""The fused norm, modulation and gate against the same written op by op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.functional import rms_norm

from backbones.ops import norm

EPS = 1e-5


def plainly(
    x: Tensor, residual: Tensor | None, weight: Tensor, shift: Tensor, scale: Tensor, eps: float, *, keep: bool
) -> tuple[Tensor, Tensor | None, Tensor]:
    total = x if residual is None else x + residual
    h = rms_norm(total, weight.shape, weight, eps)
    return total, h if keep else None, h * (1 + scale[:, None]) + shift[:, None]


def through(
    norm: Callable[..., Any], gate: Callable[..., Tensor], inputs: dict[str, Tensor], keep: bool
) -> list[Tensor]:
    """Outputs of a small block made of the two, and the gradients of its inputs."""
    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    shift, scale, opening = leaves["modulation"].chunk(3, dim=1)
    total, h, m = norm(leaves["x"], leaves.get("residual"), leaves["weight"], shift, scale, EPS, keep=keep)
    out = gate(h if keep else total, opening, m.sin())
    (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape) + total.cos()).sum().backward()
    return [out.detach(), total.detach(), m.detach(), *(leaf.grad for leaf in leaves.values())]


@settings(max_examples=40)
@given(
    batch=st.integers(1, 20),
    length=st.integers(1, 40),
    width=st.sampled_from([1, 5, 16, 33, 64]),
    residual=st.booleans(),
    keep=st.booleans(),
)
def test_outputs_and_gradients_are_those_of_separate_ops(
    batch: int, length: int, width: int, residual: bool, keep: bool
) -> None:
    generator = torch.Generator().manual_seed(batch * 100 + length)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    inputs = {"x": draw(batch, length, width), "weight": draw(width), "modulation": draw(batch, 3 * width)}
    if residual:
        inputs["residual"] = draw(batch, length, width)
    ours = through(norm.add_norm_modulate, norm.gated, inputs, keep)
    plain = through(plainly, lambda x, g, b: x + g[:, None] * b, inputs, keep)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-4 * max(1.0, other.abs().max().item()))


def test_it_does_not_depend_on_the_number_of_threads() -> None:
    inputs = {"x": torch.randn(3, 500, 384), "weight": torch.randn(384), "modulation": torch.randn(3, 3 * 384)}
    inputs["residual"] = torch.randn(3, 500, 384)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(through(norm.add_norm_modulate, norm.gated, inputs, True))
    finally:
        torch.set_num_threads(before)
    # What these ops give; the sums of the check around them may be split over threads.
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_other_types_take_separate_ops(kind: torch.dtype) -> None:
    x, weight = torch.randn(2, 5, 8, dtype=kind), torch.ones(8, dtype=kind)
    shift, scale = torch.zeros(2, 8, dtype=kind), torch.ones(2, 8, dtype=kind)
    residual = x.to(torch.promote_types(kind, torch.float32))
    total, h, m = norm.add_norm_modulate(x, residual, weight, shift, scale, EPS, keep=True)
    assert (total.dtype, h.dtype, m.dtype) == (torch.promote_types(kind, torch.float32), kind, kind)
    torch.testing.assert_close(m, 2 * h)


def test_a_second_derivative_is_refused_rather_than_wrong() -> None:
    x = torch.randn(2, 5, 8, requires_grad=True)
    m = norm.add_norm_modulate(x, None, torch.ones(8), torch.zeros(2, 8), torch.zeros(2, 8), EPS, keep=False)[2]
    (grad,) = torch.autograd.grad(m.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_tangent_is_the_difference_quotient(kind: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    given = [draw(2, 5, 8), draw(2, 5, 8), draw(8), draw(2, 8), draw(2, 8), draw(2, 8)]
    directions = [torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in given]

    def block(x: Tensor, residual: Tensor, weight: Tensor, shift: Tensor, scale: Tensor, gate: Tensor) -> Tensor:
        total, h, m = norm.add_norm_modulate(x, residual, weight, shift, scale, EPS, keep=True)
        return torch.cat([total, norm.gated(h, gate, m.sin())])

    h = 1e-5
    ahead, behind = (block(*(x + s * d for x, d in zip(given, directions, strict=True))) for s in (h, -h))
    leaves = [x.to(kind).requires_grad_() for x in given]
    with forward_ad.dual_level():
        pairs = zip(leaves, directions, strict=True)
        value, tangent = forward_ad.unpack_dual(block(*(forward_ad.make_dual(x, d.to(kind)) for x, d in pairs)))
    torch.testing.assert_close(tangent.double(), (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-5)
    grads = torch.autograd.grad(value.sum(), leaves)
    for one, other in zip(grads, torch.autograd.grad(block(*leaves).sum(), leaves), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
