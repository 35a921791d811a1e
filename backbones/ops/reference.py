"""The `reference` backend: plain PyTorch on any device, in any float type; all other backends are compared with it.

Every operation is differentiable, any number of times and in forward mode too. The loop over steps takes
its rows by `unbind`, whose gradient is one `stack`, so that the backward pass is linear in L; indexing inside
the loop would make it quadratic.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, silu, softplus

from backbones.ops.checks import sequences
from backbones.ops.scan.inputs import ScanInputs

DIFFERENTIABLE = True  # `scan` and `conv` carry their own gradients
FORWARD_MODE = True  # and their own tangents


def available() -> str | None:
    """Return None: it runs on every machine with PyTorch."""
    return None


def _state_type(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype is torch.float64 else torch.float32


def visits(x: Tensor, order: Tensor | None) -> Tensor:
    """Return the rows of x (batch, L, …) in visiting order, (batch · sequences, steps, …)."""
    if order is None:
        return x
    visited = x.index_select(1, order.flatten())
    return visited if order.dim() == 1 else visited.unflatten(1, order.shape).flatten(0, 1)


def natural(y: Tensor, order: Tensor | None) -> Tensor:
    """Return the rows of y (batch · sequences, steps, …) in natural order, (batch, L, …)."""
    if order is None:
        return y
    if order.dim() == 2:
        y = y.unflatten(0, (-1, order.shape[0])).flatten(1, 2)
    return y.index_select(1, torch.argsort(order.flatten()))


def scan(inputs: ScanInputs) -> Tensor:
    """Return y (batch, L, d_inner) by the recurrence itself, one step after another along the visiting order."""
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order = inputs
    out_type, kind = u.dtype, _state_type(u)
    u, delta, B, C = (x.to(kind) for x in (u, delta, B, C))
    A = A.to(kind)
    if delta_bias is not None:
        delta = delta + delta_bias.to(kind)
    if delta_softplus:
        delta = softplus(delta)
    if u.shape[1] == 0:
        return (u * delta).to(out_type)
    steps = [visits(x, order) for x in (delta, delta * u, B, C)]
    h = u.new_zeros(steps[0].shape[0], *A.shape)
    ys = []
    for dt, dx, b, c in zip(*(x.unbind(1) for x in steps), strict=True):
        h = torch.exp(dt.unsqueeze(-1) * A) * h + dx.unsqueeze(-1) * b.unsqueeze(1)
        ys.append((h * c.unsqueeze(1)).sum(-1))
    y = natural(torch.stack(ys, 1), order)
    if D is not None:
        y = y + D.to(kind) * u
    if z is not None:
        y = y * silu(z.to(kind))
    return y.to(out_type)


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None) -> Tensor:
    """Convolve x depthwise along the visiting order: step k sees the `width` steps up to k."""
    out_type, kind = x.dtype, _state_type(x)
    x, weight = visits(x.to(kind), order), weight.to(kind)
    length, width = x.shape[1], weight.shape[1]
    padded = pad(x, (0, 0, width - 1, 0))
    y = torch.zeros_like(x)
    for i in range(width):
        y = y + padded[:, i : i + length] * weight[:, i]
    if bias is not None:
        y = y + bias.to(kind)
    y = natural(y, order)
    if activation == "silu":
        y = silu(y)
    return y.to(out_type)


def scan_state_shape(batch: int, length: int, channels: int, states: int, sequences: int = 1) -> tuple[int, ...]:
    """Return an empty shape: nothing is saved, the backward pass recomputes."""
    return (0,)


def scan_forward(inputs: ScanInputs, save: bool) -> tuple[Tensor, Tensor]:
    """Run `scan` behind the interface that all backends share."""
    return scan(inputs).contiguous(), inputs.u.new_empty((0,), dtype=torch.float32)


def _silu_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


def scan_backward(dy: Tensor, inputs: ScanInputs, state: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of (u, delta, A, B, C, D, z, delta_bias): one pass forwards, one back, all states in memory.

    A custom op cannot call autograd, so the equations are written out: see `backbones.ops.scan.cpu_backward`.
    """
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order = inputs
    kind = _state_type(u)
    types = (u.dtype, delta.dtype, B.dtype)
    u, delta, A, B, C, dy = (x.to(kind) for x in (u, delta, A, B, C, dy))
    raw = delta if delta_bias is None else delta + delta_bias.to(kind)
    dt = softplus(raw) if delta_softplus else raw
    inner = dy if z is None else dy * silu(z.to(kind))
    visit = torch.arange(u.shape[1], device=u.device) if order is None else order.flatten()
    run = u.shape[1] // sequences(order)
    h = u.new_zeros(u.shape[0], *A.shape)
    hidden = []
    for step, k in enumerate(visit.unbind()):
        if step % run == 0:
            h = torch.zeros_like(h)
        h = torch.exp(dt[:, k, :, None] * A) * h + (dt[:, k] * u[:, k])[..., None] * B[:, k, None]
        hidden.append(h)
    y = torch.zeros_like(u)
    to_state, to_dt, dA = torch.zeros_like(u), torch.zeros_like(u), torch.zeros_like(A)
    dB, dC = torch.zeros_like(B), torch.zeros_like(C)
    carry = torch.zeros_like(h)
    for step in range(u.shape[1] - 1, -1, -1):
        k, h = visit[step], hidden[step]
        if (step + 1) % run == 0:
            carry = torch.zeros_like(carry)
        g = inner[:, k, :, None] * C[:, k, None] + carry
        carry = torch.exp(dt[:, k, :, None] * A) * g
        through = carry * hidden[step - 1] if step % run else torch.zeros_like(carry)
        y[:, k] = (h * C[:, k, None]).sum(-1)
        to_dt[:, k] = (through * A).sum(-1)
        to_state[:, k] = (g * B[:, k, None]).sum(-1)
        dA += (through * dt[:, k, :, None]).sum(0)
        dB[:, k] = (g * (dt[:, k] * u[:, k])[..., None]).sum(1)
        dC[:, k] = (h * inner[:, k, :, None]).sum(1)
    du = dt * to_state
    ddelta = to_dt + u * to_state
    if delta_softplus:
        ddelta = ddelta * torch.sigmoid(raw)
    if D is not None:
        y, du = y + D.to(kind) * u, du + D.to(kind) * inner
    small = torch.float32
    return (
        du.to(types[0]),
        ddelta.to(types[1]),
        dA.to(small),
        dB.to(types[2]),
        dC.to(types[2]),
        None if D is None else (inner * u).sum((0, 1)).to(small),
        None if z is None else (dy * y * _silu_slope(z.to(kind))).to(z.dtype),
        None if delta_bias is None else ddelta.sum((0, 1)).to(small),
    )


def scan_tangent(inputs: ScanInputs, tangents: ScanInputs) -> Tensor:
    """Return the derivative of y along `tangents` by the recurrence of `backbones.ops.scan.cpu_tangent`.

    :func:`scan` has it by autograd. This one, a loop over steps outside of autograd, is for backends that have no
    kernel for it, and costs them as much as two passes of this backend.
    """
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order = inputs
    out_type, kind = u.dtype, _state_type(u)
    u, delta, A, B, C = (x.to(kind) for x in (u, delta, A, B, C))
    Du, Ddelta, DA, DB, DC = (x.to(kind) for x in tangents.tensors[:5] if x is not None)
    raw, Draw = delta, Ddelta
    if delta_bias is not None and tangents.delta_bias is not None:
        raw, Draw = raw + delta_bias.to(kind), Draw + tangents.delta_bias.to(kind)
    dt, Ddt = (softplus(raw), torch.sigmoid(raw) * Draw) if delta_softplus else (raw, Draw)
    y, Dy = torch.zeros_like(u), torch.zeros_like(u)
    if u.shape[1]:
        steps = [visits(x, order) for x in (dt, dt * u, B, C, Ddt, Ddt * u + dt * Du, DB, DC)]
        h = u.new_zeros(steps[0].shape[0], *A.shape)
        Dh = torch.zeros_like(h)
        ys, Dys = [], []
        for s, x, b, c, Ds, Dx, Db, Dc in zip(*(x.unsqueeze(-1).unbind(1) for x in steps), strict=True):
            b, c, Db, Dc = (value.transpose(1, 2) for value in (b, c, Db, Dc))
            decay = torch.exp(s * A)
            Dh = decay * (Dh + (Ds * A + s * DA) * h) + Dx * b + x * Db
            h = decay * h + x * b
            ys.append((h * c).sum(-1))
            Dys.append((Dh * c + h * Dc).sum(-1))
        y, Dy = natural(torch.stack(ys, 1), order), natural(torch.stack(Dys, 1), order)
    if D is not None and tangents.D is not None:
        y, Dy = y + D.to(kind) * u, Dy + tangents.D.to(kind) * u + D.to(kind) * Du
    if z is not None and tangents.z is not None:
        z = z.to(kind)
        Dy = Dy * silu(z) + y * _silu_slope(z) * tangents.z.to(kind)
    return Dy.to(out_type)


def conv_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> Tensor:
    """Run `conv` behind the interface that all backends share."""
    return conv(x, weight, bias, activation, order).contiguous()


def conv_backward(
    dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradients of (x, weight, bias); the last two in float32."""
    out_type, kind = x.dtype, _state_type(x)
    g = dy.to(kind)
    if activation == "silu":
        plain = conv(x.to(kind), weight.to(kind), bias, None, order)
        g = g * _silu_slope(plain)
    g, x, weight = visits(g, order), visits(x.to(kind), order), weight.to(kind)
    length, width = x.shape[1], weight.shape[1]
    ahead, behind = pad(g, (0, 0, 0, width - 1)), pad(x, (0, 0, width - 1, 0))
    dx, dweight = torch.zeros_like(x), torch.zeros_like(weight)
    for i in range(width):
        dx += weight[:, i] * ahead[:, width - 1 - i : width - 1 - i + length]
        dweight[:, i] = (g * behind[:, i : i + length]).sum((0, 1))
    dx = natural(dx, order)
    dbias = None if bias is None else g.sum((0, 1)).float()
    return dx.to(out_type), dweight.float(), dbias
