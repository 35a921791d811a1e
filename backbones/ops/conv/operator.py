"""The causal depthwise convolution: one function, a `torch.library` custom op under it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backbones.ops import checks, choice


def causal_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    activation: str | None = None,
    order: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """Convolve x depthwise and causally along a visiting order, with SiLU fused.

        p_k = bias + Σ_{i < width} weight[:, i] x[order[k - width + 1 + i]],   y[order[k]] = silu(p_k)

    Steps before the first are zeros.

    Args:
        x: (batch, L, d_inner); any row stride.
        weight: (d_inner, width), 1 <= width <= 32; the last tap meets the current step.
        bias: (d_inner,); none if absent.
        activation: "silu" or None.
        order: (L,) int64, order[k] = natural index of the row visited at step k; natural order if absent. Or
            (sequences, steps): before the first step of each row of it are zeros.
        backend: "auto" or one of `backbones.ops.backends()`.

    Returns:
        y: (batch, L, d_inner) in natural order, in x's type; sums are float32 (float64 for float64 input).

    Raises:
        ValueError: shapes, types or devices that disagree, an order that is no permutation, an unknown
            activation, an unknown or unusable backend.

    Differentiable once, backwards and in forward mode, as :func:`backbones.ops.selective_scan`.
    """
    checks.tensor("x", x, ("batch", "L", "d_inner"), x)
    checks.tensor("weight", weight, (x.shape[2], "width"), x)
    if not 1 <= weight.shape[1] <= checks.WIDEST_CONV:
        raise checks.fault("weight", weight, f"a width between 1 and {checks.WIDEST_CONV}")
    if bias is not None:
        checks.tensor("bias", bias, (x.shape[2],), x)
    if activation is not None and activation != "silu":
        raise checks.fault("activation", repr(activation), '"silu" or None')
    if order is not None:
        checks.order_form(order, x.shape[1], x)
    tangents = not checks.is_abstract(x) and checks.in_forward_mode()
    if not checks.is_abstract(x):
        module = choice.conv_backend(backend, x)
        if getattr(module, "DIFFERENTIABLE", False) and (hasattr(module, "FORWARD_MODE") or not tangents):
            checks.order_values(order)
            return module.conv(x, weight, bias, activation, order)
    arguments = (x, weight, bias, activation, order, backend)
    if not checks.is_plain(x):
        return _conv(*arguments)
    save = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias))
    return (_Eager.apply if save or tangents else _compute)(*arguments)


def _compute(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None, backend: str
) -> Tensor:
    checks.order_values(order)
    return choice.conv_backend(backend, x).conv_forward(x, weight, bias, activation, order)


_conv = torch.library.custom_op("zigbench::causal_conv", _compute, mutates_args=())


@_conv.register_fake
def _conv_fake(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None, backend: str
) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _gradients(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str | None,
    order: Tensor | None,
    backend: str,
) -> list[Tensor]:
    grads = choice.conv_backend(backend, x).conv_backward(dy, x, weight, bias, activation, order)
    # A traced graph takes the layout that the fake promises; backends sum in whatever layout suits them.
    return [grad.contiguous() for grad in grads if grad is not None]


_conv_backward = torch.library.custom_op("zigbench::causal_conv_backward", _gradients, mutates_args=())


@_conv_backward.register_fake
def _conv_backward_fake(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str | None,
    order: Tensor | None,
    backend: str,
) -> list[Tensor]:
    parameters = [weight] if bias is None else [weight, bias]
    sums = [x.new_empty(p.shape, dtype=torch.float32) for p in parameters]
    return [torch.empty_like(x, memory_format=torch.contiguous_format), *sums]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, bias, ctx.activation, order, ctx.backend = inputs
    ctx.save_for_backward(x, weight, bias, order)
    ctx.save_for_forward(x, weight, bias, order)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
    x, weight, bias, order = ctx.saved_tensors
    backward = _gradients if checks.is_plain(dy) else _conv_backward
    dx, dweight, *rest = backward(dy, x, weight, bias, ctx.activation, order, ctx.backend)
    dbias = None if bias is None else rest[0].to(bias.dtype)
    return dx, dweight.to(weight.dtype), dbias, None, None, None


_conv.register_autograd(_differentiate, setup_context=_remember)


def _move(ctx: Any, *tangents: Tensor | None) -> Tensor:
    """Return the tangent of y: p, linear in x and in the weights, has ṗ = ẇ * x + w * ẋ + ḃ, and y = silu(p)."""
    x, weight, bias, order = ctx.saved_tensors
    forward: Any = _conv if checks.in_transform() else _compute
    x_dot, weight_dot, bias_dot = tangents[:3]
    parts = [] if bias_dot is None else [bias_dot.to(x.dtype).expand_as(x)]
    if x_dot is not None:
        parts.append(forward(x_dot.to(x.dtype), weight, None, None, order, ctx.backend))
    if weight_dot is not None:
        parts.append(forward(x, weight_dot, None, None, order, ctx.backend))
    total = sum(parts[1:], parts[0])
    if ctx.activation is None:
        return total
    p = forward(x, weight, bias, None, order, ctx.backend)
    s = torch.sigmoid(p)
    return total * s * (1 + p * (1 - s))


class _Eager(torch.autograd.Function):
    """The custom op without the dispatcher, which costs a small network more than its convolutions do."""

    forward = staticmethod(_compute)
    setup_context = staticmethod(_remember)
    backward = staticmethod(_differentiate)
    jvp = staticmethod(_move)
