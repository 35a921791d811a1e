"""The selective scan as plain loops over arrays, vectorised by LLVM on its own: what the explicit vectors are worth.

``python tests/benchmarks/plain_scan.py`` times both in turns, on one thread, at the shapes of the scan's benchmark, and
prints the ratios of processor time. ``NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=""`` chooses AVX2.

The algorithm is that of the kernels (the same order of work, tiles, checkpoints and polynomials); only the explicit
vectors, the sums across their lanes and the prefetches are gone, since LLVM offers none of them to a loop.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.core.extending import intrinsic
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

import scan_peers as peers

from backbones.ops.cpu.target import INSTRUCTION_SET
from backbones.ops.cpu.vector import _GROWTH, _LOG1P, LOG2_E
from backbones.ops.scan.cpu import _pack

LANES = INSTRUCTION_SET.lanes
SHAPES = [(1, 1536, 1024), (8, 512, 256), (2, 768, 4096)]
TILE = 16
U = np.uintp  # an index that cannot be negative, which would be read from the end
Q0, Q1, Q2, Q3, Q4 = (np.float32(c) for c in _GROWTH)
P = tuple(np.float32(c) for c in _LOG1P)
LOG2E, LN2, ONE, LOWEST = np.float32(LOG2_E), np.float32(np.log(2)), np.float32(1.0), np.float32(-80.0)


@intrinsic
def _power_of_two(typingctx, exponent):  # type: ignore[no-untyped-def]
    """2^exponent for an int32, by its bits."""

    def emit(context, builder, sig, args):  # type: ignore[no-untyped-def]
        bits = builder.shl(builder.add(args[0], ir.IntType(32)(127)), ir.IntType(32)(23))
        return builder.bitcast(bits, ir.FloatType())

    return numba.float32(numba.int32), emit


plain = numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
inlined = numba.njit(nogil=True, fastmath=True, inline="always", error_model="numpy")


@inlined
def _exp2(x):  # type: ignore[no-untyped-def]
    x = max(x, LOWEST)
    whole = np.rint(x)
    f = x - whole
    return (ONE + f * (Q0 + f * (Q1 + f * (Q2 + f * (Q3 + f * Q4))))) * _power_of_two(np.int32(whole))


@inlined
def _step(raw):  # type: ignore[no-untyped-def]
    """Softplus and its slope."""
    e = _exp2(-abs(raw) * LOG2E)
    p = P[9]
    p = P[8] + e * p
    p = P[7] + e * p
    p = P[6] + e * p
    p = P[5] + e * p
    p = P[4] + e * p
    p = P[3] + e * p
    p = P[2] + e * p
    p = P[1] + e * p
    p = P[0] + e * p
    return max(raw, np.float32(0.0)) + e * p, (e if raw < 0 else ONE) / (ONE + e)


@plain
def forward(u, delta, B, C, D, bias, rates, order, y, state, save):  # type: ignore[no-untyped-def]
    batches, length, channels = u.shape
    states = rates.shape[1]
    h, rate = np.empty((states, LANES), np.float32), np.empty((states, LANES), np.float32)
    dt, dx, out = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    for batch in range(batches):
        at = U(batch)
        for group in range(channels // LANES):
            first = U(group * LANES)
            rate[:] = rates[group]
            h[:] = np.float32(0.0)
            for k in range(length):
                if save and k % TILE == 0:
                    state[batch, group, k // TILE] = h
                row = U(order[U(k)])
                for lane in range(LANES):
                    j = U(lane)
                    x = u[at, row, first + j]
                    step, _ = _step(delta[at, row, first + j] + bias[first + j])
                    dt[j] = step
                    dx[j] = step * x
                    out[j] = D[first + j] * x
                for state_number in range(0, states, 4):
                    n0 = U(state_number)
                    n1, n2, n3 = n0 + U(1), n0 + U(2), n0 + U(3)
                    b0, b1, b2, b3 = B[at, row, n0], B[at, row, n1], B[at, row, n2], B[at, row, n3]
                    c0, c1, c2, c3 = C[at, row, n0], C[at, row, n1], C[at, row, n2], C[at, row, n3]
                    for lane in range(LANES):
                        j = U(lane)
                        h0 = _exp2(dt[j] * rate[n0, j]) * h[n0, j] + dx[j] * b0
                        h1 = _exp2(dt[j] * rate[n1, j]) * h[n1, j] + dx[j] * b1
                        h2 = _exp2(dt[j] * rate[n2, j]) * h[n2, j] + dx[j] * b2
                        h3 = _exp2(dt[j] * rate[n3, j]) * h[n3, j] + dx[j] * b3
                        h[n0, j], h[n1, j], h[n2, j], h[n3, j] = h0, h1, h2, h3
                        out[j] += c0 * h0 + c1 * h1 + c2 * h2 + c3 * h3
                for lane in range(LANES):
                    y[at, row, first + U(lane)] = out[U(lane)]


@plain
def backward(dy, u, delta, B, C, D, bias, rates, order, state, du, ddelta, drate, dB, dC, dbias, dD):  # type: ignore[no-untyped-def]
    batches, length, channels = u.shape
    states = rates.shape[1]
    e, h = np.empty((TILE, LANES), np.float32), np.empty((TILE + 1, LANES), np.float32)
    dt, slope, flow = np.empty((3, TILE, LANES), np.float32)
    gy, along_a, along_b = np.empty((3, TILE, LANES), np.float32)
    rate, dr, g = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    carry = np.empty((states, LANES), np.float32)
    for batch in range(batches):
        at = U(batch)
        for group in range(channels // LANES):
            first = U(group * LANES)
            carry[:] = np.float32(0.0)
            for tile in range(length // TILE - 1, -1, -1):
                along_a[:] = np.float32(0.0)
                along_b[:] = np.float32(0.0)
                for step in range(TILE):
                    k, row = U(step), U(order[U(tile * TILE + step)])
                    for lane in range(LANES):
                        j = U(lane)
                        size, rise = _step(delta[at, row, first + j] + bias[first + j])
                        dt[k, j], slope[k, j] = size, rise
                        flow[k, j] = size * u[at, row, first + j]
                        gy[k, j] = dy[at, row, first + j]
                for n in range(states):
                    rate[:], dr[:], g[:] = rates[group, n], drate[batch, group, n], carry[n]
                    h[0] = state[batch, group, tile, n]
                    for step in range(TILE):
                        k, next_k, row = U(step), U(step + 1), U(order[U(tile * TILE + step)])
                        b = B[at, row, U(n)]
                        for lane in range(LANES):
                            j = U(lane)
                            e[k, j] = _exp2(dt[k, j] * rate[j])
                            h[next_k, j] = e[k, j] * h[k, j] + flow[k, j] * b
                    for step in range(TILE - 1, -1, -1):
                        k, next_k, row = U(step), U(step + 1), U(order[U(tile * TILE + step)])
                        b, c = B[at, row, U(n)], C[at, row, U(n)]
                        db, dc = np.float32(0.0), np.float32(0.0)
                        for lane in range(LANES):
                            j = U(lane)
                            here = g[j] + c * gy[k, j]
                            along_b[k, j] += here * b
                            db += here * flow[k, j]
                            dc += gy[k, j] * h[next_k, j]
                            before = here * e[k, j]
                            g[j] = before
                            through = before * h[k, j]
                            dr[j] += through * dt[k, j]
                            along_a[k, j] += through * rate[j]
                        dB[at, row, U(n)] += db
                        dC[at, row, U(n)] += dc
                    drate[batch, group, n], carry[n] = dr, g
                for step in range(TILE):
                    k, row = U(step), U(order[U(tile * TILE + step)])
                    for lane in range(LANES):
                        j = U(lane)
                        c = first + j
                        x, out = u[at, row, c], gy[k, j]
                        du[at, row, c] = dt[k, j] * along_b[k, j] + D[c] * out
                        slow = (along_a[k, j] * LN2 + x * along_b[k, j]) * slope[k, j]
                        ddelta[at, row, c] = slow
                        dbias[at, c] += slow
                        dD[at, c] += out * x


def arrays(x: dict[str, Tensor]) -> list[np.ndarray]:
    rates = _pack(x["A"].detach())
    return [x[k].detach().numpy() for k in ("u", "delta", "B", "C", "D", "bias")] + [rates.numpy(), x["order"].numpy()]


def infer(x: dict[str, Tensor]) -> Tensor:
    u, *rest = arrays(x)
    y = np.empty_like(u)
    forward(u, *rest, y, np.empty((1, 1, 1, 1, 1), np.float32), False)
    return torch.from_numpy(y)


def train(x: dict[str, Tensor], dy: Tensor) -> list[Tensor]:
    """The gradients of u, delta, A, B, C, D and the bias."""
    u, delta, B, C, D, bias, rates, order = arrays(x)
    (batch, length, channels), (groups, states, _) = u.shape, rates.shape
    y, state = np.empty_like(u), np.empty((batch, groups, length // TILE, states, LANES), np.float32)
    forward(u, delta, B, C, D, bias, rates, order, y, state, True)
    drate = np.zeros((batch, groups, states, LANES), np.float32)
    du, ddelta = np.empty_like(u), np.empty_like(u)
    dB, dC = np.zeros_like(B), np.zeros_like(C)
    dbias, dD = np.zeros((2, batch, channels), np.float32)
    backward(dy.numpy(), u, delta, B, C, D, bias, rates, order, state, du, ddelta, drate, dB, dC, dbias, dD)
    dA = drate.sum(0).transpose(0, 2, 1).reshape(channels, states)
    return [torch.from_numpy(np.ascontiguousarray(g)) for g in (du, ddelta, dA, dB, dC, dD.sum(0), dbias.sum(0))]


def compare(rounds: int = 12) -> None:
    """Print for each shape the processor time of both, and their ratio."""
    torch.set_num_threads(1)
    sys.stdout.write(f"{INSTRUCTION_SET}; torch {torch.__version__}, numba {numba.__version__}, one thread\n")
    for shape in SHAPES:
        x = peers.inputs(*shape)
        dy = torch.randn(x["u"].shape, generator=torch.Generator().manual_seed(1))
        leaves = [x[k].clone().requires_grad_() for k in ("u", "delta", "A", "B", "C", "D", "bias")]
        tracked = {**x, **dict(zip(("u", "delta", "A", "B", "C", "D", "bias"), leaves, strict=True))}
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "forward": (lambda x=x: peers.ours(x, x["order"]), lambda x=x: infer(x)),
            "forward and backward": (
                peers.both(lambda x=tracked: peers.ours(x, x["order"]), leaves, dy),
                lambda x=x, dy=dy: train(x, dy),
            ),
        }
        for mode, (vectors, loops) in pairs.items():
            peers.close(loops(), vectors())
            times = peers.timings({"vectors": vectors, "loops": loops}, rounds=rounds)
            a, b = times["vectors"].cpu, times["loops"].cpu
            line = f"{shape!s:16} {mode:20}  vectors {1e3 * a:7.2f} ms  loops {1e3 * b:7.2f} ms  ratio {b / a:.2f}\n"
            sys.stdout.write(line)


if __name__ == "__main__":
    compare()
