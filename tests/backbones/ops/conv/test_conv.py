"""The causal convolution: PyTorch's own conv1d as the oracle, every gradient, and the order as a law."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv1d, silu

from backbones.ops import causal_conv, reference
from tests.backbones.ops.cases import error

SHAPES = {
    "shorter than the window": (2, 2, 5, 4),
    "one step": (1, 1, 70, 4),
    "a block and one": (2, 17, 64, 4),
    "odd everything": (3, 61, 130, 3),
    "window of one": (2, 9, 6, 1),
    "widest window": (1, 50, 6, 32),
}


def _inputs(batch: int, length: int, channels: int, width: int, seed: int = 0) -> list[Tensor]:
    """x as a view of wider rows, weight, bias and an order."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, length, 2 * channels + 1, generator=g)[..., 1 : channels + 1]
    weight, bias = torch.randn(channels, width, generator=g), torch.randn(channels, generator=g)
    return [x, weight, bias, torch.randperm(length, generator=g)]


def _oracle(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor) -> Tensor:
    width = weight.shape[1]
    y = conv1d(x[:, order].mT, weight[:, None], bias, padding=width - 1, groups=x.shape[2]).mT
    y = y[:, : x.shape[1]][:, torch.argsort(order)]
    return silu(y) if activation else y


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("activation", ["silu", None])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_forward_and_gradients_match_conv1d(
    shape: tuple[int, int, int, int], biased: bool, activation: str | None, backend: str
) -> None:
    x, weight, bias, order = _inputs(*shape)
    dy = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    single = [t.requires_grad_() for t in (x, weight, bias)][: 3 if biased else 2]
    double = [t.detach().double().requires_grad_() for t in single]
    y = causal_conv(*single, activation=activation, order=order, backend=backend)
    exact = _oracle(*double, *([] if biased else [None]), activation, order)
    assert error(y, exact) <= 1e-6
    grads = torch.autograd.grad(y, single, dy)
    for found, right in zip(grads, torch.autograd.grad(exact, double, dy.double()), strict=True):
        assert error(found, right) <= 5e-6


@pytest.mark.parametrize("activation", ["silu", None])
def test_written_out_gradient_of_the_reference_is_its_autograd(activation: str | None) -> None:
    x, weight, bias, order = _inputs(2, 9, 5, 4)
    leaves = [t.double().requires_grad_() for t in (x, weight, bias)]
    dy = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    grads = torch.autograd.grad(reference.conv(*leaves, activation, order), leaves, dy)
    with torch.no_grad():
        written = reference.conv_backward(dy, *leaves, activation, order)
    assert all(error(a, b) <= 1e-6 for a, b in zip(written, grads, strict=True))


@given(st.integers(1, 70), st.integers(1, 140), st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=25)
def test_an_order_means_permute_convolve_permute_back(length: int, channels: int, width: int, seed: int) -> None:
    x, weight, bias, order = _inputs(2, length, channels, width, seed)
    permuted = causal_conv(x[:, order], weight, bias, activation="silu", backend="cpu")
    found = causal_conv(x, weight, bias, activation="silu", order=order, backend="cpu")
    assert torch.equal(found, permuted[:, torch.argsort(order)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_only_at_the_edges(dtype: torch.dtype) -> None:
    x, weight, bias, order = _inputs(2, 50, 70, 4)
    x = x.to(dtype).requires_grad_()
    y = causal_conv(x, weight, bias, activation="silu", order=order, backend="cpu")
    exact = _oracle(x.double(), weight.double(), bias.double(), "silu", order)
    assert y.dtype is dtype
    assert error(y, exact) <= torch.finfo(dtype).eps
    (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
    (right,) = torch.autograd.grad(exact, x, torch.ones_like(exact))
    assert error(dx, right) <= 2 * torch.finfo(dtype).eps  # the oracle's gradient is rounded as well


def test_results_are_bitwise_the_same_whatever_the_threads() -> None:
    x, weight, bias, order = _inputs(3, 400, 200, 4)
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            y = causal_conv(*leaves, activation="silu", order=order, backend="cpu")
            runs.append([y.detach(), *torch.autograd.grad(y.sum(), leaves)])
    finally:
        torch.set_num_threads(before)
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


@pytest.mark.parametrize(("batch", "length"), [(0, 5), (2, 0)])
def test_nothing_in_nothing_out(batch: int, length: int) -> None:
    x, weight, bias, order = _inputs(batch, length, 6, 4)
    weight.requires_grad_()
    y = causal_conv(x, weight, bias, activation="silu", order=order, backend="cpu")
    y.sum().backward()
    assert y.shape == (batch, length, 6)
    assert not weight.grad.any()
