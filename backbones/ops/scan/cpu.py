"""The `cpu` backend: numba kernels behind plain tensors, no compiler needed at install time.

float32 and bfloat16 are read and written as they are; other types are converted at the edge. The state is
float32 throughout.

Rows far apart miss the processor's address cache once L times d_inner exceeds some ten megabytes. Where Linux
gives huge pages on request, THP_MEM_ALLOC_ENABLE=1 in the environment makes PyTorch request them: at L = 65,536
that is worth a factor of 1.7.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from backbones.ops import checks
from backbones.ops.conv import cpu_kernels
from backbones.ops.cpu.tensors import address, flat, rows, stream
from backbones.ops.cpu.vector import LANES
from backbones.ops.cpu.workers import run
from backbones.ops.scan import cpu_backward, cpu_forward
from backbones.ops.scan.cpu_backward import STATES_STEP
from backbones.ops.scan.cpu_forward import CHECKPOINT
from backbones.ops.scan.inputs import ScanInputs

CHECKS_RATES = True  # packing A finds its positive entries
_PARTS = 16  # desired tasks of a backward pass; each task has its own sums for dB and dC


def available() -> str | None:
    """Return None: the imports above are all it needs."""
    return None


def scan_state_shape(batch: int, length: int, channels: int, states: int, sequences: int = 1) -> tuple[int, ...]:
    """Return the shape of the saved states: one per CHECKPOINT steps of a sequence, LANES channels side by side."""
    tiles = sequences * -(-(length // sequences) // CHECKPOINT)
    return (batch, -(-channels // LANES), tiles, _padded(states), LANES)


def _zeros(like: Tensor, *shape: int) -> Tensor:
    return like.new_zeros(shape, dtype=torch.float32)


def _padded(states: int) -> int:
    """Return the number of states in the kernels: rounded up, with A = B = C = 0 for the added ones."""
    return -(-states // STATES_STEP) * STATES_STEP


def _packed(A: Tensor) -> tuple[Tensor, int]:
    """Return A log2(e), (groups, padded states, LANES), and the number of entries that are not negative."""
    A = A.float()
    channels, states = A.shape
    rates = A.new_empty((-(-channels // LANES), _padded(states), LANES))
    strides = A.stride(0) * 4, A.stride(1) * 4
    faults = cpu_forward.pack_rates(A.data_ptr(), *strides, channels, states, rates.shape[1], rates.data_ptr())
    return rates, faults


def _pack(A: Tensor) -> Tensor:
    """Return A log2(e) packed; ValueError unless every entry of A is negative."""
    rates, faults = _packed(A)
    if faults:
        raise checks.not_negative(A, faults)
    return rates


def _coefficients(x: Tensor) -> Tensor:
    """Return B or C, (batch, L, padded states), as float32."""
    spare = _padded(x.shape[-1]) - x.shape[-1]
    return stream(pad(x.float(), (0, spare)) if spare else x.float())


class _Call:
    """The inputs of one call in the form the kernels read, kept alive while they run."""

    def __init__(self, inputs: ScanInputs) -> None:
        u, delta, A, B, C, D, z, delta_bias, self.softplus, order = inputs
        self.batch, self.length, self.channels = u.shape
        self.states = _padded(A.shape[1])
        self.u, self.delta = stream(u), stream(delta)
        self.z = None if z is None else stream(z)
        self.B, self.C = _coefficients(B), _coefficients(C)
        self.rates, self.bias, self.skip = _pack(A), flat(delta_bias), flat(D)
        self.order = None if order is None else order.contiguous()
        self.sequences = checks.sequences(order)
        self.groups = self.rates.shape[0]
        self.work = u.numel() * self.states

    def arguments(self, y: Tensor | None, state: Tensor | None) -> list[int]:
        return [
            *rows(self.u),
            *rows(self.delta),
            *rows(self.z),
            *rows(self.B),
            *rows(self.C),
            *rows(y),
            self.rates.data_ptr(),
            address(self.bias),
            address(self.skip),
            address(self.order),
            address(state),
            self.length,
            self.channels,
            self.states,
            int(self.softplus),
            int(self.u.dtype is torch.bfloat16),
            self.length // self.sequences,
        ]


def scan_forward(inputs: ScanInputs, save: bool) -> tuple[Tensor, Tensor]:
    """Return y (batch, L, channels) and the saved states, empty unless `save`. Inputs are already checked."""
    call, u = _Call(inputs), inputs.u
    y = torch.empty_like(u, dtype=call.u.dtype, memory_format=torch.contiguous_format)
    shape: tuple[int, ...] = (0,)
    if save:
        shape = scan_state_shape(call.batch, call.length, call.channels, call.states, call.sequences)
    state = u.new_empty(shape, dtype=torch.float32)
    if call.u.numel():
        run(cpu_forward.scan, call.arguments(y, state), call.batch * call.groups, call.work)
    return y.to(u.dtype), state


def scan_backward(dy: Tensor, inputs: ScanInputs, state: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of (u, delta, A, B, C, D, z, delta_bias) from dy and the saved states."""
    u, delta, A, B, C, D, z, delta_bias, _, _ = inputs
    call = _Call(inputs)
    dy = stream(dy)
    wanted = max(1, min(call.groups, _PARTS // max(1, call.batch)))
    each = -(-call.groups // wanted)  # the largest part sets the time, so all parts are filled up to its size
    parts = -(-call.groups // each)
    du = torch.empty_like(u, dtype=call.u.dtype, memory_format=torch.contiguous_format)
    ddelta = torch.empty_like(u, dtype=call.u.dtype, memory_format=torch.contiguous_format)
    dz = None if z is None else torch.empty_like(u, dtype=call.u.dtype, memory_format=torch.contiguous_format)
    drate = _zeros(u, call.batch, call.groups, call.states, LANES)
    dB, dC = (_zeros(u, parts, call.batch, call.length, call.states) for _ in range(2))
    dbias, dskip = (_zeros(u, call.batch, call.groups, LANES) for _ in range(2))
    if call.u.numel():
        packed = call.arguments(None, state)
        for tensor in (dy, du, ddelta, dz):
            packed += rows(tensor)
        packed += [t.data_ptr() for t in (drate, dB, dC, dbias, dskip)]
        packed += [call.batch, parts]
        run(cpu_backward.scan_gradient, packed, call.batch * parts, 2 * call.work)
    n = A.shape[1]
    dA = drate.sum(0)[:, :n].transpose(1, 2).reshape(-1, n)[: call.channels]
    dB, dC = (x[0, ..., :n] if parts == 1 else x.sum(0)[..., :n] for x in (dB, dC))
    return (
        du.to(u.dtype),
        ddelta.to(delta.dtype),
        dA.contiguous(),
        dB.to(B.dtype).contiguous(),
        dC.to(C.dtype).contiguous(),
        None if D is None else dskip.sum(0).flatten()[: call.channels],
        None if dz is None else dz.to(u.dtype),
        None if delta_bias is None else dbias.sum(0).flatten()[: call.channels],
    )


def scan_tangent(inputs: ScanInputs, tangents: ScanInputs) -> Tensor:
    """Return the derivative of y (batch, L, channels) along `tangents`, shaped and typed as the inputs."""
    from backbones.ops.scan import cpu_tangent  # compiled here, where a process first needs it

    call, u = _Call(inputs), inputs.u
    moves = [None if x is None else stream(x) for x in (tangents.u, tangents.delta, tangents.z)]
    moves += [_coefficients(x) for x in (tangents.B, tangents.C)]
    (rates, _), bias, skip = _packed(tangents.A), flat(tangents.delta_bias), flat(tangents.D)
    y = torch.empty_like(u, dtype=call.u.dtype, memory_format=torch.contiguous_format)
    if y.numel():
        streams = (call.u, call.delta, call.z, call.B, call.C, *moves, y)
        packed = [part for x in streams for part in rows(x)]
        packed += [call.rates.data_ptr(), address(call.bias), address(call.skip)]
        packed += [rates.data_ptr(), address(bias), address(skip), address(call.order)]
        packed += [call.length, call.channels, call.states, int(call.softplus), int(call.u.dtype is torch.bfloat16)]
        packed.append(call.length // call.sequences)
        run(cpu_tangent.scan_tangent, packed, call.batch * call.groups, 2 * call.work)
    return y.to(u.dtype)


def _conv_arguments(
    x: Tensor,
    y: Tensor | None,
    dy: Tensor | None,
    dx: Tensor | None,
    taps: Tensor,
    bias: Tensor | None,
    activation: str | None,
    order: Tensor | None,
    sums: tuple[Tensor | None, Tensor | None],
) -> list[int]:
    packed = [part for tensor in (x, y, dy, dx) for part in rows(tensor)]
    packed += [taps.data_ptr(), address(bias), address(order), x.shape[1], x.shape[2], taps.shape[1]]
    packed += [int(activation == "silu"), int(x.dtype is torch.bfloat16), *map(address, sums)]
    packed.append(x.shape[1] // checks.sequences(order))
    return packed


def _taps(weight: Tensor) -> Tensor:
    """Return (channels, width) as (groups, width, LANES), zeros past the last channel."""
    channels, width = weight.shape
    groups = -(-channels // LANES)
    padded = weight.new_zeros((groups * LANES, width), dtype=torch.float32)
    padded[:channels] = weight
    return padded.view(groups, LANES, width).transpose(1, 2).contiguous()


def conv_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> Tensor:
    """Return y (batch, L, channels). Inputs are already checked."""
    source, taps, bias = stream(x), _taps(weight), flat(bias)
    order = None if order is None else order.contiguous()
    y = torch.empty_like(x, dtype=source.dtype, memory_format=torch.contiguous_format)
    if x.numel():
        packed = _conv_arguments(source, y, None, None, taps, bias, activation, order, (None, None))
        run(cpu_kernels.conv, packed, x.shape[0] * taps.shape[0], x.numel() * weight.shape[1])
    return y.to(x.dtype)


def conv_backward(
    dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradients of (x, weight, bias); the last two in float32."""
    source, slope, taps, offset = stream(x), stream(dy), _taps(weight), flat(bias)
    order = None if order is None else order.contiguous()
    groups, width, _ = taps.shape
    dx = torch.empty_like(x, dtype=source.dtype, memory_format=torch.contiguous_format)
    dtaps = _zeros(x, x.shape[0], groups, width, LANES)
    dbias = _zeros(x, x.shape[0], groups, LANES)
    if x.numel():
        packed = _conv_arguments(source, None, slope, dx, taps, offset, activation, order, (dtaps, dbias))
        run(cpu_kernels.conv_gradient, packed, x.shape[0] * groups, 4 * x.numel() * width)
    dweight = dtaps.sum(0).transpose(1, 2).reshape(-1, width)[: x.shape[2]]
    return dx.to(x.dtype), dweight, None if bias is None else dbias.sum(0).flatten()[: x.shape[2]]
