"""The `triton` backend of the selective scan: how the work is split, and the launches.

Where batch × sequences × channels fill the GPU, one program walks a whole sequence. Where they do not, it is cut into
chunks: each finds its own end state (1), a scan turns these into start states (2), and each chunk runs again
from its start state and writes y (3). That computes every exponential twice, so it is done only when the GPU
would otherwise stand idle. The backward pass does the same from the right. All sums have a fixed order:
results repeat bit by bit.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from backbones.ops import checks
from backbones.ops.gpu.cubin import resident_warps, resources
from backbones.ops.scan import triton_split
from backbones.ops.scan.inputs import ScanInputs
from backbones.ops.scan.triton_split import Split, columns, lanes, padded, row_group, split_backward, split_forward

LOG2E = math.log2(math.e)

# Number of warp schedulers to plan for; None: the device's own. Tests set it to reach both ways of splitting.
SCHEDULERS: int | None = None
# One warp a program (see `backbones.ops.gpu.functions`); fused multiply-adds, no longer Triton 3.10's default.
LAUNCH = {"num_warps": 1, "enable_fp_fusion": True}
# Partial sums of dB and dC over channel blocks: above this many bytes, batch elements take turns.
PARTIAL_BYTES = 1 << 30
_RESIDENT: dict[tuple[Any, ...], int] = {}


def available() -> str | None:
    """Return None if the kernels can run here, else the reason."""
    if importlib.util.find_spec("triton") is None:
        return "the package triton is not installed"
    from backbones.ops.gpu.functions import INTERPRETED

    if INTERPRETED:
        return None
    if os.environ.get("TRITON_INTERPRET") == "1":
        return "TRITON_INTERPRET was set after Triton had been imported; set it before Python starts"
    if not torch.cuda.is_available():
        return "no CUDA device is visible to PyTorch"
    if torch.version.hip is None and torch.cuda.get_device_capability() < (8, 0):
        return f"{torch.cuda.get_device_name()} is older than compute capability 8.0"
    return None


def warp_schedulers(device: torch.device) -> int:
    """Return the number of warp schedulers of `device`, four a multiprocessor; 4 for a CPU under the interpreter."""
    if SCHEDULERS is not None:
        return SCHEDULERS
    return 4 * torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 4


def unit_stride(x: Tensor) -> Tensor:
    """Return x with unit stride along channels: any row stride below 4 GiB passes, other layouts are copied."""
    return x if x.stride(-1) == 1 and x.stride(-2) * x.element_size() < 1 << 32 else x.contiguous()


def contiguous(x: Tensor | None) -> Tensor | None:
    """Return x contiguous, None where it is absent: an order, D and biases are read by their address alone."""
    return None if x is None else x.contiguous()


def row_strides(*tensors: Tensor | None) -> list[int]:
    """Return the batch and row stride of each tensor; a batch of one has stride 0, to save compilations."""
    pairs = ((0, 0) if x is None else (x.stride(0) * (x.shape[0] > 1), x.stride(1)) for x in tensors)
    return [stride for pair in pairs for stride in pair]


def _alignment(x: Tensor) -> int:
    """Return the largest power of two, 16 at most, that divides the address of every row of x."""
    return math.gcd(16, x.data_ptr(), *(stride * x.element_size() for stride in row_strides(x)))


def words(channels: int, states: int, rows: Sequence[Tensor], streams: Sequence[Tensor | None]) -> dict[str, Any]:
    """Return the constants that say where neighbours are read as one word; see `backbones.ops.gpu.words`.

    Args:
        rows: of states, B and C.
        streams: of channels; None where one is absent.
    """
    pair: list[Tensor] = [x for x in streams if x is not None]
    align = min(_alignment(x) for x in rows)
    whole = states > 0 and states % 2 == 0 and align >= 2 * rows[0].element_size()
    paired = channels % 2 == 0 and all(_alignment(x) >= 2 * x.element_size() for x in pair)
    return {"PAIRED": paired, "ALIGN": align if whole else 0}


def _resident(sweep: Any, arguments: Sequence[Any], constants: dict[str, Any], key: tuple[Any, ...]) -> int:
    """Return how many warps of `sweep`, compiled for these arguments, a warp scheduler holds, by their registers."""
    if key not in _RESIDENT:
        binary = sweep.warmup(*arguments, grid=(1,), **constants).asm.get("cubin")
        # AMD's compiler writes another file; a program of two warps hides most latencies.
        _RESIDENT[key] = 2 if binary is None else resident_warps(resources(binary).registers)
    return _RESIDENT[key]


def _rates(A: Tensor) -> Tensor:
    """Return A log2 e as (N, d_inner): neighbouring lanes read neighbouring channels, and exp becomes exp2."""
    rates = A.new_empty(A.shape[::-1], dtype=torch.float32)
    return torch.mul(A.t().float(), LOG2E, out=rates)


def on_device(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()


def scan_state_shape(batch: int, length: int, channels: int, states: int, sequences: int = 1) -> tuple[int, ...]:
    """Return the shape of the saved states: one before every INTERVAL-th step of a sequence."""
    return (batch, sequences * -(-(length // sequences) // triton_split.INTERVAL), states, channels)


def scan_forward(inputs: ScanInputs, save: bool) -> tuple[Tensor, Tensor]:
    """Return (y, state): y (batch, L, d_inner), contiguous, in u's type; state float32 for the backward pass.

    The state is empty, (0,), unless `save`.
    """
    from backbones.ops.scan.triton_carries import carries
    from backbones.ops.scan.triton_forward import sweep

    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order = inputs
    batch, length, channels = u.shape
    states = A.shape[1]
    y = torch.empty((batch, length, channels), dtype=u.dtype, device=u.device)
    sequences = checks.sequences(order)
    shape = scan_state_shape(batch, length, channels, states, sequences) if save else (0,)
    state = torch.empty(shape, dtype=torch.float32, device=u.device)
    if y.numel() == 0:
        return y, state
    u, delta, B, C = map(unit_stride, (u, delta, B, C))
    D, delta_bias, order = map(contiguous, (D, delta_bias, order))
    z = None if z is None else unit_stride(z)
    rates = _rates(A)
    walks, steps = batch * sequences, length // sequences
    constants = {
        "N": states, "NP": padded(states), "W": lanes(states), "INTERVAL": triton_split.INTERVAL,
        "SOFTPLUS": delta_softplus, "HAS_BIAS": delta_bias is not None, "HAS_D": D is not None, "HAS_Z": z is not None,
        "HAS_ORDER": order is not None, **words(channels, states, (B, C), (u, delta, z, y)), **LAUNCH,
    }  # fmt: skip

    def call(
        plan: Split, carry: Tensor, total: Tensor, chunks: int, local: bool
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        many = plan.chunks > 1
        arguments = (
            u, delta, rates, B, C, D, z, delta_bias, order, y, carry, total, state,
            *row_strides(u, delta, B, C, z, y),
            sequences, steps, channels, -(-channels // (constants["W"] * plan.group)), plan.chunk, chunks,
            plan.chunks, -(-steps // triton_split.INTERVAL), 0,
        )  # fmt: skip
        kind = {"LOCAL": local, "CARRY": many and not local, "SAVE": save and not local}
        return arguments, {**constants, **kind, "G": plan.group, "STEPS": plan.steps}

    def resident(group: int, unrolled: int) -> int:
        if not u.is_cuda:
            return 2  # the interpreter has no registers
        arguments, flags = call(Split(2, triton_split.INTERVAL, group, unrolled), rates, rates, 2, local=False)
        return _resident(sweep, arguments, flags, (u.device, u.dtype, *flags.items()))

    with on_device(u):
        plan = split_forward(walks, steps, channels, states, u.element_size(), warp_schedulers(u.device), resident)
        blocks = -(-channels // (constants["W"] * plan.group))
        many = plan.chunks > 1
        carry = torch.empty((walks, plan.chunks, states, channels) if many else 0, dtype=torch.float32, device=u.device)
        total = torch.empty((walks, plan.chunks, channels) if many else 0, dtype=torch.float32, device=u.device)
        for local in (True, False) if many else (False,):
            chunks = plan.chunks - local
            arguments, flags = call(plan, carry, total, chunks, local)
            sweep[(walks * chunks * blocks,)](*arguments, **flags)
            if local:
                _pass_on(carries, rates, carry, total, reverse=False)
    return y, state


def _pass_on(carries: Any, rates: Tensor, carry: Tensor, total: Tensor, reverse: bool) -> None:
    batch, chunks, states, channels = carry.shape
    if states == 0:
        return
    blocks = -(-channels // 32)
    carries[(batch * states * blocks,)](
        rates, carry, total, channels, chunks, blocks, N=states, BLOCK=32, BATCH=8, REVERSE=reverse, **LAUNCH
    )


def scan_tangent(inputs: ScanInputs, tangents: ScanInputs) -> Tensor:
    """Return the derivative of y along `tangents`, shaped and typed as the inputs; contiguous, in u's type."""
    from backbones.ops.scan.triton_tangent import sweep_tangent

    batch, length, channels = inputs.u.shape
    states = inputs.A.shape[1]
    y = torch.empty((batch, length, channels), dtype=inputs.u.dtype, device=inputs.u.device)
    if y.numel() == 0:
        return y
    streams, matrices = [], []
    for u, delta, A, B, C, D, z, bias, *_ in (inputs, tangents):
        streams.append((*map(unit_stride, (u, delta, B, C)), None if z is None else unit_stride(z)))
        matrices.append((_rates(A), contiguous(D), contiguous(bias)))
    order = contiguous(inputs.order)
    sequences = checks.sequences(order)
    width = max(1, min(32, 1024 // padded(states)))
    blocks = -(-channels // width)
    tensors = [
        x for (*four, gate), (A, D, bias) in zip(streams, matrices, strict=True)
        for x in (four[0], four[1], A, four[2], four[3], D, gate, bias)
    ]  # fmt: skip
    with on_device(y):
        sweep_tangent[(batch * sequences * blocks,)](
            *tensors, order, y, *row_strides(*streams[0], *streams[1], y),
            sequences, length // sequences, channels, blocks, 0,
            N=states, NP=padded(states), W=width, SOFTPLUS=inputs.delta_softplus,
            HAS_BIAS=inputs.delta_bias is not None, HAS_D=inputs.D is not None, HAS_Z=inputs.z is not None,
            HAS_ORDER=order is not None, **LAUNCH,
        )  # fmt: skip
    return y


def scan_backward(dy: Tensor, inputs: ScanInputs, state: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients (du, ddelta, dA, dB, dC, dD, dz, ddelta_bias); None where the input was absent.

    `state` was saved by `scan_forward`. dA, dD and ddelta_bias are float32, the others in their input's type.
    """
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order = inputs
    batch, length, channels = u.shape
    states = A.shape[1]
    du, ddelta = (torch.empty(u.shape, dtype=x.dtype, device=u.device) for x in (u, delta))
    dz = None if z is None else torch.empty(u.shape, dtype=z.dtype, device=u.device)
    dB, dC = (torch.empty(x.shape, dtype=x.dtype, device=u.device) for x in (B, C))
    if du.numel() == 0:
        dA, dD, dbias = (None if x is None else torch.zeros_like(x, dtype=torch.float32) for x in (A, D, delta_bias))
        return du, ddelta, dA, dB.zero_(), dC.zero_(), dD, dz, dbias
    dy, u, delta, B, C = map(unit_stride, (dy, u, delta, B, C))
    D, delta_bias, order = map(contiguous, (D, delta_bias, order))
    z = None if z is None else unit_stride(z)
    rates = _rates(A)
    blocks = -(-channels // (columns(states) * row_group(channels, states)))
    each = 8 * blocks * length * max(states, 1)
    turns = -(-batch // max(1, PARTIAL_BYTES // each))
    turn = -(-batch // turns)
    parts = []
    for low in range(0, batch, turn):
        cut = slice(low, low + turn)
        gate, to_gate = (x if x is None else x[cut] for x in (z, dz))
        parts.append(
            _backward(
                dy[cut], u[cut], delta[cut], B[cut], C[cut], gate, du[cut], ddelta[cut], dB[cut], dC[cut], to_gate,
                state[cut], rates, D, delta_bias, delta_softplus, order, blocks,
            )
        )  # fmt: skip
    to_rates, to_skip, to_bias = (list(part) for part in zip(*parts, strict=True))
    dA = sum(to_rates[1:], to_rates[0]).t().contiguous()
    return du, ddelta, dA, dB, dC, _total(to_skip), dz, _total(to_bias)


def _total(parts: list[Tensor | None]) -> Tensor | None:
    """Return the sum of the parts of all turns, or None where they are absent."""
    present = [part for part in parts if part is not None]
    return sum(present[1:], present[0]) if present else None


def _backward(
    dy: Tensor, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, z: Tensor | None,
    du: Tensor, ddelta: Tensor, dB: Tensor, dC: Tensor, dz: Tensor | None,
    state: Tensor, rates: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool, order: Tensor | None,
    blocks: int,
) -> tuple[Tensor, Tensor | None, Tensor | None]:  # fmt: skip
    """Write du, ddelta, dB, dC and dz of some batch elements; return their sums dA (N, d_inner), dD, dbias."""
    from backbones.ops.scan.triton_backward import sweep_back
    from backbones.ops.scan.triton_carries import arrivals, carries

    batch, length, channels = u.shape
    states = rates.shape[0]
    sequences = checks.sequences(order)
    walks, steps = batch * sequences, length // sequences
    size = padded(states)
    flags = {
        "N": states, "NP": size, "SOFTPLUS": softplus, "HAS_BIAS": bias is not None, "HAS_Z": z is not None,
        "HAS_ORDER": order is not None, **LAUNCH,
    }  # fmt: skip
    backward_flags = {
        **flags, "W": columns(states), "INTERVAL": triton_split.INTERVAL, "HAS_D": D is not None,
        "PAIRED": channels % 2 == 0,
    }  # fmt: skip

    def call(
        plan: Split, carry: Tensor, sums: Sequence[Tensor | None], scratch: Tensor
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arguments = (
            u, delta, rates, B, C, D, z, bias, order, dy, state, carry, du, ddelta, dz, *sums, scratch,
            *row_strides(u, delta, B, C, z, dy),
            sequences, steps, channels, blocks, plan.chunk, plan.chunks, -(-steps // triton_split.INTERVAL), batch,
            scratch.shape[-1] // 32, 0,
        )  # fmt: skip
        return arguments, {**backward_flags, "G": plan.group, "STEPS": plan.steps, "CARRY": plan.chunks > 1}

    def resident(group: int, unrolled: int) -> int:
        if not u.is_cuda:
            return 2  # the interpreter has no registers
        sums = (rates, rates, rates, None if D is None else rates, None if bias is None else rates)
        arguments, constants = call(Split(2, triton_split.INTERVAL, group, unrolled), rates, sums, rates)
        return _resident(sweep_back, arguments, constants, ("backward", u.device, u.dtype, *constants.items()))

    def empty(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float32, device=u.device)

    with on_device(u):
        plan = split_backward(walks, steps, channels, states, warp_schedulers(u.device), resident)
        many, width = plan.chunks > 1, columns(states) * plan.group
        carry = empty(walks, plan.chunks, states, channels) if many else empty(0)
        part_A = empty(walks, plan.chunks, states, channels)
        part_B, part_C = (empty(blocks, batch, length, states) for _ in range(2))
        part_D = None if D is None else empty(walks, plan.chunks, channels)
        part_bias = None if bias is None else empty(walks, plan.chunks, channels)
        programs = walks * plan.chunks * blocks
        each = 6 * width + 2 * size + size * width // plan.steps  # planes, B and C, checkpoints: a step
        space = triton_split.INTERVAL * each + 2 * min(triton_split.INTERVAL, 8) * width
        scratch = empty(programs, -(-space // 32) * 32)
        if many:
            total = empty(walks, plan.chunks, channels)
            group = 1 if channels <= lanes(states) else 2
            own = {"G": group, "W": lanes(states), "STEPS": 1 if states > 16 else 2}
            wide = -(-channels // (lanes(states) * group))
            arrivals[(walks * (plan.chunks - 1) * wide,)](
                delta, rates, C, z, bias, order, dy, carry, total, *row_strides(delta, C, z, dy),
                sequences, steps, channels, wide, plan.chunk, plan.chunks, 0,
                **words(channels, states, (C,), (delta, z, dy)), **own, **flags,
            )  # fmt: skip
            _pass_on(carries, rates, carry, total, reverse=True)
        arguments, constants = call(plan, carry, (part_A, part_B, part_C, part_D, part_bias), scratch)
        sweep_back[(programs,)](*arguments, **constants)
    rows = slice(None) if order is None else order.flatten()
    dB[:, rows] = part_B.sum(0).to(dB.dtype)
    dC[:, rows] = part_C.sum(0).to(dC.dtype)
    dA = part_A.sum((0, 1))
    return dA, None if part_D is None else part_D.sum((0, 1)), None if part_bias is None else part_bias.sum((0, 1))
