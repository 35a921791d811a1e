"""The selective scan: one function, a `torch.library` custom op under it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backbones.ops import checks, choice
from backbones.ops.scan.inputs import ScanInputs

_INPUTS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias, "
    "bool delta_softplus, Tensor? order"
)
"""A :class:`ScanInputs` as a custom op declares it: it takes no tuples."""


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    *,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = True,
    order: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """Run Mamba's selective state space along a visiting order (Gu & Dao 2023, algorithm 2 and equation 4).

    With Δ = softplus(delta + delta_bias), rows taken at order[0], order[1], …:

        h_k = exp(Δ_k A) h_{k-1} + Δ_k B_k u_k,   y_k = (C_k · h_k + D u_k) silu(z_k)

    Args:
        u: (batch, L, d_inner), the input; any row stride.
        delta: (batch, L, d_inner), the step sizes before bias and softplus.
        A: (d_inner, N), negative: decay rates.
        B, C: (batch, L, N), into and out of the state.
        D: (d_inner,), the skip weight; none if absent.
        z: (batch, L, d_inner), the gate; none if absent.
        delta_bias: (d_inner,), added to delta before the softplus.
        delta_softplus: whether Δ passes a softplus; if not, delta is taken as it is.
        order: (L,) int64, order[k] = natural index of the row visited at step k; natural order if absent. Or
            (sequences, steps): each row of it is scanned by itself, from a state of zeros, over one and the same
            storage: the frames of a clip, or the places of its grid, are scanned without a copy.
        backend: "auto" or one of `backbones.ops.backends()`.

    Returns:
        y: (batch, L, d_inner) in natural order. u, delta, B, C and z may differ in type: the widest one is
        computed with and returned. The state is float32 (float64 for float64 input).

    Raises:
        ValueError: shapes, types or devices that disagree, an order that is no permutation (read once per
            tensor), an A that is not negative, an unknown or unusable backend.

    Differentiable once, backwards and in forward mode (`torch.func.jvp`, `torch.autograd.forward_ad`); not in forward
    mode within a compiled graph. For second derivatives take `backend="reference"`.
    """
    inputs = ScanInputs(u, delta, A, B, C, D, z, delta_bias, delta_softplus, order)
    _check(inputs)
    streams = [x for x in (u, delta, B, C, z) if x is not None]
    if any(x.dtype != u.dtype for x in streams):
        kind = u.dtype
        for x in streams:
            kind = torch.promote_types(kind, x.dtype)
        u, delta, B, C = (x.to(kind) for x in (u, delta, B, C))
        z = None if z is None else z.to(kind)
        inputs = ScanInputs(u, delta, A, B, C, D, z, delta_bias, delta_softplus, order)
    tangents = not checks.is_abstract(u) and checks.in_forward_mode()
    if not checks.is_abstract(u):
        module = choice.scan_backend(backend, u)
        if getattr(module, "DIFFERENTIABLE", False) and (hasattr(module, "FORWARD_MODE") or not tangents):
            checks.order_values(order)
            checks.negative(A)
            return module.scan(inputs)
    save = torch.is_grad_enabled() and (tangents or any(x is not None and x.requires_grad for x in inputs.tensors))
    arguments = (*inputs, backend, save)
    if checks.is_plain(u):
        return (_Eager.apply if save or tangents else _compute)(*arguments)[0]
    return _scan(*arguments)[0]


def _check(inputs: ScanInputs) -> None:
    u, delta, A, B, C, D, z, delta_bias, _, order = inputs
    checks.tensor("u", u, ("batch", "L", "d_inner"), u)
    batch, length, channels = u.shape
    checks.tensor("delta", delta, (batch, length, channels), u)
    checks.tensor("A", A, (channels, "N"), u)
    states = A.shape[1]
    checks.tensor("B", B, (batch, length, states), u)
    checks.tensor("C", C, (batch, length, states), u)
    if D is not None:
        checks.tensor("D", D, (channels,), u)
    if z is not None:
        checks.tensor("z", z, (batch, length, channels), u)
    if delta_bias is not None:
        checks.tensor("delta_bias", delta_bias, (channels,), u)
    if order is not None:
        checks.order_form(order, length, u)


def _compute(*arguments: Any) -> tuple[Tensor, Tensor]:
    *values, backend, save = arguments
    inputs = ScanInputs(*values)
    checks.order_values(inputs.order)
    module = choice.scan_backend(backend, inputs.u)
    if not getattr(module, "CHECKS_RATES", False):
        checks.negative(inputs.A)
    return module.scan_forward(inputs, save)


_scan = torch.library.custom_op(
    "zigbench::selective_scan",
    _compute,
    mutates_args=(),
    schema=f"({_INPUTS}, str backend, bool save) -> (Tensor, Tensor)",
)


@_scan.register_fake
def _scan_fake(*arguments: Any) -> tuple[Tensor, Tensor]:
    *values, backend, save = arguments
    inputs = ScanInputs(*values)
    u = inputs.u
    shape: tuple[int, ...] = (0,)
    if save:
        sequences = checks.sequences(inputs.order)
        shape = choice.scan_backend(backend, u).scan_state_shape(*u.shape, inputs.A.shape[1], sequences)
    return torch.empty_like(u, memory_format=torch.contiguous_format), u.new_empty(shape, dtype=torch.float32)


def _gradients(dy: Tensor, *arguments: Any) -> list[Tensor]:
    *values, state, backend = arguments
    inputs = ScanInputs(*values)
    grads = choice.scan_backend(backend, inputs.u).scan_backward(dy, inputs, state)
    return [grad for grad in grads if grad is not None]


_scan_backward = torch.library.custom_op(
    "zigbench::selective_scan_backward",
    _gradients,
    mutates_args=(),
    schema=f"(Tensor dy, {_INPUTS}, Tensor state, str backend) -> Tensor[]",
)


@_scan_backward.register_fake
def _scan_backward_fake(dy: Tensor, *arguments: Any) -> list[Tensor]:
    u, delta, A, B, C, D, z, delta_bias, _, _ = arguments[:-2]
    streams = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (u, delta)]
    rates = u.new_empty(A.shape, dtype=torch.float32)
    pairs = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (B, C)]
    rest = [u.new_empty(D.shape, dtype=torch.float32)] if D is not None else []
    rest += [torch.empty_like(z, memory_format=torch.contiguous_format)] if z is not None else []
    rest += [u.new_empty(delta_bias.shape, dtype=torch.float32)] if delta_bias is not None else []
    return [*streams, rates, *pairs, *rest]


def _tangent(*arguments: Any) -> Tensor:
    *values, moves, backend = arguments
    inputs, given = ScanInputs(*values), iter(moves)
    tangents: list[Any] = [None if x is None else next(given) for x in inputs.tensors]
    along = ScanInputs._make((*tangents, inputs.delta_softplus, inputs.order))
    return choice.scan_backend(backend, inputs.u).scan_tangent(inputs, along)


_scan_tangent = torch.library.custom_op(
    "zigbench::selective_scan_tangent",
    _tangent,
    mutates_args=(),
    schema=f"({_INPUTS}, Tensor[] moves, str backend) -> Tensor",
)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.softplus, order, ctx.backend, _ = inputs
    ctx.save_for_backward(*tensors, order, output[1])
    ctx.save_for_forward(*tensors, order)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # or zeros the size of the state would be made for its gradient


def _differentiate(ctx: Any, dy: Tensor, _: Tensor) -> tuple[Any, ...]:
    *tensors, order, state = ctx.saved_tensors
    backward: Any = _gradients if checks.is_plain(dy) else _scan_backward
    gradients = iter(backward(dy, *tensors, ctx.softplus, order, state, ctx.backend))
    grads = [None if x is None else next(gradients).to(x.dtype) for x in tensors]
    return (*grads, None, None, None, None)


_scan.register_autograd(_differentiate, setup_context=_remember)


def _move(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, None]:
    """Return the tangent of y; an absent tangent of an input is zero."""
    *tensors, order = ctx.saved_tensors
    moves = [_like(x, d) for x, d in zip(tensors, tangents[: len(tensors)], strict=True) if x is not None]
    tangent: Any = _scan_tangent if checks.in_transform() else _tangent
    return tangent(*tensors, ctx.softplus, order, moves, ctx.backend), None


def _like(x: Tensor, tangent: Tensor | None) -> Tensor:
    """Return a tangent in x's type; zeros that share one row where there is none."""
    return x.new_zeros(x.shape[-1]).expand(x.shape) if tangent is None else tangent.to(x.dtype)


class _Eager(torch.autograd.Function):
    """The custom op without the dispatcher, which costs a small network more than its scans do."""

    forward = staticmethod(_compute)
    setup_context = staticmethod(_remember)
    backward = staticmethod(_differentiate)
    jvp = staticmethod(_move)
