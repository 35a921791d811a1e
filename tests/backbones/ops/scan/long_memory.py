"""Errors of the CPU scan with slow decay against its length, beside those of a plain float32 recurrence.

``python tests/backbones/ops/scan/long_memory.py`` prints a table for each instruction set of this processor. With
``--json`` it prints one JSON object for the set that numba compiles for, which ``NUMBA_CPU_NAME`` and
``NUMBA_CPU_FEATURES`` choose.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import binding

from backbones.ops import selective_scan
from backbones.ops.cpu.target import INSTRUCTION_SET

HERE = Path(__file__)
PROCESSORS = {"SSE": "nehalem", "AVX2": "haswell", "AVX-512": "skylake-avx512"}
NEEDED = {"SSE": "sse4.2", "AVX2": "avx2", "AVX-512": "avx512dq"}
LENGTHS = (64, 512, 4096, 16384, 65536)
QUANTITIES = ("y", "ddelta", "du", "dA", "dB", "dC")
CHANNELS, STATES = 18, 4


@numba.njit
def _recurrence(dt, u, A, B, C, dy, y, ddt, du, dA, dB, dC):  # type: ignore[no-untyped-def]
    """Fill y and the gradients, one step after another, all in the arrays' own type."""
    length, channels = u.shape
    states = A.shape[1]
    hidden = np.zeros((length + 1, channels, states), u.dtype)
    for k in range(length):
        for c in range(channels):
            for n in range(states):
                flow = dt[k, c] * u[k, c] * B[k, n]
                hidden[k + 1, c, n] = np.exp(dt[k, c] * A[c, n]) * hidden[k, c, n] + flow
                y[k, c] += C[k, n] * hidden[k + 1, c, n]
    carry = np.zeros((channels, states), u.dtype)
    for k in range(length - 1, -1, -1):
        for c in range(channels):
            for n in range(states):
                g = C[k, n] * dy[k, c] + carry[c, n]
                carry[c, n] = np.exp(dt[k, c] * A[c, n]) * g
                through = carry[c, n] * hidden[k, c, n]
                ddt[k, c] += through * A[c, n] + u[k, c] * g * B[k, n]
                du[k, c] += dt[k, c] * g * B[k, n]
                dA[c, n] += through * dt[k, c]
                dB[k, n] += g * dt[k, c] * u[k, c]
                dC[k, n] += dy[k, c] * hidden[k + 1, c, n]


def plain(inputs: list[np.ndarray], dtype: type) -> list[np.ndarray]:
    """y and the gradients of (dt, u, A, B, C) by the recurrence in ``dtype``."""
    dt, u, A, B, C, dy = (x.astype(dtype) for x in inputs)
    outputs = [np.zeros_like(x) for x in (u, dt, u, A, B, C)]
    _recurrence(dt, u, A, B, C, dy, *outputs)
    return outputs


def fused(inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The same by the CPU kernels."""
    dt, u, A, B, C, dy = (torch.from_numpy(x) for x in inputs)
    leaves = [x.requires_grad_() for x in (dt[None], u[None], A, B[None], C[None])]
    dt, u, A, B, C = leaves
    y = selective_scan(u, dt, A, B, C, delta_softplus=False, backend="cpu")
    grads = torch.autograd.grad(y, leaves, dy[None])
    return [x.detach().numpy().reshape(-1, x.shape[-1]) for x in (y, *grads)]


def draw(length: int, slowest: float, seed: int) -> list[np.ndarray]:
    """dt, u, A, B, C, dy in float32: positive, so that nothing cancels, and -ΔA from about ``slowest`` to 0.1."""
    g = np.random.default_rng(seed)
    u, dy = np.abs(g.standard_normal((2, length, CHANNELS)))
    B, C = np.abs(g.standard_normal((2, length, STATES)))
    dt = 0.02 * np.exp(0.5 * g.standard_normal((length, CHANNELS)))
    A = -np.exp(g.uniform(np.log(50 * slowest), np.log(5.0), (CHANNELS, STATES)))
    return [x.astype(np.float32) for x in (dt, u, A, B, C, dy)]


def error(found: np.ndarray, exact: np.ndarray) -> float:
    """Root mean square of the error, relative to that of the exact values."""
    return float(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))


def errors(lengths: tuple[int, ...] = LENGTHS, slowest: float = 1e-5) -> dict[str, dict[str, Any]]:
    """For each length and quantity: the recurrence's error and the kernels'."""
    table: dict[str, dict[str, Any]] = {}
    for length in lengths:
        inputs = draw(length, slowest, seed=length)
        exact = plain(inputs, np.float64)
        pairs = zip(QUANTITIES, plain(inputs, np.float32), fused(inputs), exact, strict=True)
        table[str(length)] = {name: (error(a, e), error(b, e)) for name, a, b, e in pairs}
    return table


def drift(steps: int = 1000) -> float:
    """Change of a state, relative to it, over so many steps of Δ = 0: none, since exp(0 A) is 1."""
    delta = torch.zeros(1, steps, CHANNELS)
    delta[0, 0] = 0.7
    ones = torch.ones(1, steps, STATES)
    y = selective_scan(
        torch.ones_like(delta), delta, -torch.ones(CHANNELS, STATES), ones, ones, delta_softplus=False, backend="cpu"
    )
    return float((y / y[:, :1] - 1).abs().max())


def run(*command: str, processor: str) -> str:
    """Run Python with numba compiling for the named processor; return what it prints.

    Raises:
        RuntimeError: the command failed.
    """
    chosen = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "PYTHONPATH": str(HERE.parents[4])}
    done = subprocess.run([sys.executable, *command], env={**os.environ, **chosen}, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-4000:])
    return done.stdout


def has(name: str) -> bool:
    """Return whether this processor has the instruction set."""
    return bool(binding.get_host_cpu_features().get(NEEDED[name]))


def measured(name: str) -> dict[str, Any]:
    """Return the drift and the errors on one instruction set, in a process of its own."""
    found: dict[str, Any] = json.loads(run(str(HERE), "--json", processor=PROCESSORS[name]))
    return found


def table() -> str:
    """Return a Markdown table of the errors of y and of the gradients, the worst of them, for each length."""
    sets = {name: measured(name)["errors"] for name in PROCESSORS if has(name)}
    lines = ["| L | what | float32 recurrence | " + " | ".join(sets) + " |", "|---|---|---|" + "---|" * len(sets)]
    for length in map(str, LENGTHS):
        for what, names in (("y", QUANTITIES[:1]), ("gradients", QUANTITIES[1:])):
            plain = max(next(iter(sets.values()))[length][name][0] for name in names)
            own = [max(rows[length][name][1] for name in names) for rows in sets.values()]
            lines.append(f"| {length} | {what} | " + " | ".join(f"{x:.1e}" for x in (plain, *own)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--json" in sys.argv:
        json.dump({"instruction set": INSTRUCTION_SET.name, "drift": drift(), "errors": errors()}, sys.stdout)
    else:
        sys.stdout.write(f"{table()}\n")
