"""Check the Triton kernels on a GPU, then time the scan; beside mamba-ssm's where it imports.

    PYTHONPATH=. python tests/benchmarks/gpu_scan.py --out results/benchmarks/h200.json

Three parts, in this order: a gate against the float64 reference (a kernel that fails it is not timed), the
machine's ceilings (copy bandwidth, exponentials a second), and times of forward and forward + backward over L,
batch and visiting order. Device time is the median over replays of a captured CUDA graph, each over another
set of inputs where one set would fit the cache; host time is that of the same calls launched from Python. It stands
for both, and the row says so, where a peer's calls can't be captured.
Rows are written as they come, so that a run cut short still leaves its record. Exit status 1: the gate failed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from gpu_clock import CUDA, DEVICE, ceilings, device_times, host_times
from torch import Tensor

from backbones.ops import reference
from backbones.ops.conv import triton as triton_conv
from backbones.ops.scan import triton as triton_scan
from backbones.ops.scan.inputs import ScanInputs

CACHE_BYTES = 3 * 2**27  # input sets rotate until they exceed this: several times a GPU's L2
TIMED = torch.bfloat16
GATE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}


@dataclass(frozen=True)
class Shape:
    batch: int
    length: int
    channels: int
    states: int
    dtype: torch.dtype

    def scan_inputs(self, seed: int) -> dict[str, Tensor]:
        """Streams as a network makes them: u and z halves of one tensor, B and C slices of another."""
        generator = torch.Generator(DEVICE).manual_seed(seed)

        def rand(*shape: int, dtype: torch.dtype = self.dtype) -> Tensor:
            return torch.randn(shape, generator=generator, device=DEVICE, dtype=torch.float32).to(dtype)

        b, n, d, s = self.batch, self.length, self.channels, self.states
        pair, mixed = rand(b, n, 2 * d), rand(b, n, 3 * s)
        return {
            "u": pair[..., :d], "delta": rand(b, n, d) * 0.5, "A": -torch.rand((d, s), device=DEVICE) * 8 - 0.5,
            "B": mixed[..., s : 2 * s], "C": mixed[..., 2 * s :], "D": rand(d, dtype=torch.float32),
            "z": pair[..., d:], "delta_bias": rand(d, dtype=torch.float32) * 0.5 - 3, "dy": rand(b, n, d),
        }  # fmt: skip

    def order(self, kind: str) -> Tensor | None:
        if kind == "identity":
            return None
        return torch.randperm(self.length, generator=torch.Generator().manual_seed(1)).to(DEVICE)


SCAN_ARGUMENTS = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def _error(found: Tensor, wanted: Tensor) -> float:
    if not bool(found.isfinite().all()):
        return float("inf")
    return float((found.double() - wanted).norm() / wanted.norm())


def check_scan(shape: Shape) -> dict[str, float]:
    """Relative errors of y and of every gradient against the float64 reference, along a random order."""
    inputs = shape.scan_inputs(seed=7)
    order, dy = shape.order("random"), inputs.pop("dy")
    given = [inputs[name] for name in SCAN_ARGUMENTS]
    y, state = triton_scan.scan_forward(ScanInputs(*given, True, order), True)
    found = [y, *triton_scan.scan_backward(dy, ScanInputs(*given, True, order), state)]
    doubles = [x.double().requires_grad_() for x in given]
    wanted = reference.scan(ScanInputs(*doubles, True, order))
    grads = torch.autograd.grad(wanted, doubles, dy.double())
    names = ("y", *("d" + name for name in SCAN_ARGUMENTS))
    return {n: _error(f, w) for n, f, w in zip(names, found, (wanted.detach(), *grads), strict=True)}


@torch.no_grad()
def check_inference(shape: Shape) -> dict[str, float]:
    """Relative error of y where no state is saved, which is split otherwise; the gradients need the saved one."""
    inputs = shape.scan_inputs(seed=9)
    order = shape.order("random")
    given = [inputs[name] for name in SCAN_ARGUMENTS]
    y, _ = triton_scan.scan_forward(ScanInputs(*given, True, order), False)
    return {"y": _error(y, reference.scan(ScanInputs(*(x.double() for x in given), True, order)))}


def check_conv(shape: Shape) -> dict[str, float]:
    inputs = shape.scan_inputs(seed=8)
    order, weight = shape.order("random"), inputs["A"][:, :4].contiguous()
    given = [inputs["u"], weight, inputs["D"]]
    found = [triton_conv.conv_forward(*given, "silu", order)]
    found += triton_conv.conv_backward(inputs["dy"], *given, "silu", order)
    doubles = [x.double().requires_grad_() for x in given]
    wanted = reference.conv(*doubles, "silu", order)
    grads = torch.autograd.grad(wanted, doubles, inputs["dy"].double())
    names = ("y", "dx", "dweight", "dbias")
    return {n: _error(f, w) for n, f, w in zip(names, found, (wanted.detach(), *grads), strict=True)}


def gate(channels: int, states: int, lengths: list[int], timed: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """One entry a kernel, shape and type: the errors, the limit and whether it passed.

    Gradients are compared at `lengths`, since the reference keeps all states for them; inference at each of the
    (batch, length) that are `timed`, since how many channels a lane has depends on them.
    """
    checks: list[tuple[str, Callable[[Shape], dict[str, float]], Shape]] = []
    for dtype in GATE:
        for batch, length in [(2, lengths[0]), (1, lengths[-1])]:
            shape = Shape(batch, length, channels, states, dtype)
            checks += [("scan", check_scan, shape), ("conv", check_conv, shape)]
    checks += [("inference", check_inference, Shape(b, n, channels, states, TIMED)) for b, n in timed]
    found = []
    for name, check, shape in checks:
        errors, limit = check(shape), GATE[shape.dtype]
        entry = {"op": name, "batch": shape.batch, "length": shape.length, "dtype": str(shape.dtype), "errors": errors}
        found.append({**entry, "limit": limit, "passed": max(errors.values()) <= limit})
    return found


def floor(shape: Shape, backward: bool, limits: dict[str, float]) -> float:
    """Seconds no scan can beat here: each byte moved once, each exponential computed once a pass.

    N + 2 exponentials an element of u: the decays, one for softplus, one for the gate.
    """
    elements = shape.batch * shape.length * shape.channels
    rows = shape.batch * shape.length * shape.states * shape.dtype.itemsize
    moved = 4 * elements * shape.dtype.itemsize + 2 * rows
    if backward:
        moved += 7 * elements * shape.dtype.itemsize + 4 * rows
    exps = elements * (shape.states + 2) * (2 if backward else 1)
    return max(moved / limits["copy_bytes_per_second"], exps / limits["exp2_per_second"])


def ours(shape: Shape, inputs: dict[str, Tensor], order: Tensor | None, backward: bool) -> Callable[[], Any]:
    given, dy = ScanInputs(*(inputs[name] for name in SCAN_ARGUMENTS), True, order), inputs["dy"]

    def call() -> Any:
        y, state = triton_scan.scan_forward(given, backward)
        return triton_scan.scan_backward(dy, given, state) if backward else y

    return call


def mamba(shape: Shape, inputs: dict[str, Tensor], order: Tensor | None, backward: bool) -> Callable[[], Any] | None:
    """mamba-ssm's selective_scan_fn in its own layout (batch, d_inner, L); None if it does not import.

    With an order it pays what the ZigMa release pays: one gather of the tokens, half as wide as d_inner,
    before the layer and one after.
    """
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return None
    turned = {k: inputs[k].transpose(1, 2).contiguous() for k in ("u", "delta", "B", "C", "z", "dy")}
    given = [turned.get(k, inputs[k]).detach().requires_grad_(backward) for k in SCAN_ARGUMENTS]
    tokens = inputs["u"][..., : shape.channels // 2].contiguous()

    def call() -> Any:
        if order is not None:
            tokens.index_select(1, order)
        with torch.set_grad_enabled(backward):
            y = selective_scan_fn(*given, delta_softplus=True)
        if order is not None:
            tokens.index_select(1, order)
        if not backward:
            return y
        grads = torch.autograd.grad(y, given, turned["dy"])
        if order is not None:  # the two gathers have gradients
            for _ in range(2):
                torch.zeros_like(tokens).index_add_(1, order, tokens)
        return grads

    return call


IMPLEMENTATIONS: dict[str, Callable[..., Callable[[], Any] | None]] = {"triton": ours, "mamba-ssm": mamba}


def extra_memory(call: Callable[[], Any]) -> int:
    """Peak bytes above what was there before, outputs included."""
    if not CUDA:
        return 0
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def measure(shape: Shape, limits: dict[str, float], repeats: int) -> list[dict[str, Any]]:
    """Rows of one shape: both implementations, both orders, forward and forward + backward."""
    one = 5 * shape.batch * shape.length * shape.channels * shape.dtype.itemsize
    sets = [shape.scan_inputs(seed) for seed in range(max(1, min(8, CACHE_BYTES // one)) if CUDA else 1)]
    rows = []
    for backward in (False, True):
        least = floor(shape, backward, limits)
        for kind in ("identity", "random"):
            order = shape.order(kind)
            for name, make in IMPLEMENTATIONS.items():
                calls = [make(shape, inputs, order, backward) for inputs in sets]
                if calls[0] is None:
                    continue
                samples, clock = device_times(calls, repeats)
                host = host_times(calls, max(3, repeats // 3))
                median = statistics.median(samples)
                rows.append({
                    "op": "selective_scan", "implementation": name, "pass": "both" if backward else "forward",
                    "order": kind, "batch": shape.batch, "length": shape.length, "channels": shape.channels,
                    "states": shape.states, "dtype": str(shape.dtype), "seconds": samples, "median": median,
                    "clock": clock, "host_median": statistics.median(host), "roofline": least, "share": least / median,
                    "extra_bytes": extra_memory(calls[0]),
                })  # fmt: skip
    return rows


def environment() -> dict[str, Any]:
    import triton

    found: dict[str, Any] = {"torch": torch.__version__, "triton": triton.__version__, "device": "cpu, interpreted"}
    if CUDA:
        properties = torch.cuda.get_device_properties(DEVICE)
        found |= {"device": properties.name, "multiprocessors": properties.multi_processor_count}
    for peer in ("mamba_ssm", "causal_conv1d"):
        try:
            found[peer] = __import__(peer).__version__
        except ImportError as missing:
            found[peer] = f"not importable: {missing}"
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """One line a row; ratio: the same call in mamba-ssm over this one, by the same clock."""

    def key(r: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(r[k] for k in ("pass", "order", "batch", "length"))

    peers = {key(r): (r["median"], r["clock"]) for r in rows if r["implementation"] == "mamba-ssm"}
    lines = [
        f"{'implementation':15}{'pass':9}{'order':10}{'batch':>5}{'L':>7}{'ms':>9}{'host ms':>9}{'roof':>6}{'ratio':>7}"
    ]
    for r in sorted(rows, key=lambda r: (r["pass"], r["batch"], r["length"], r["order"])):
        ratio = f"{peers[key(r)][0] / r['median']:.2f}" if key(r) in peers else "-"
        if key(r) in peers and peers[key(r)][1] != r["clock"]:
            ratio = "unlike"  # A time with its launches against one without them.
        lines.append(
            f"{r['implementation']:15}{r['pass']:9}{r['order']:10}{r['batch']:5}{r['length']:7}"
            f"{1e3 * r['median']:9.3f}{1e3 * r['host_median']:9.3f}{r['share']:6.0%}{ratio:>7}"
        )
    return "\n".join(lines) + "\n"


def as_benchmarks(result: dict[str, Any]) -> dict[str, Any]:
    """The rows in pytest-benchmark's form, as `zigbench report --benchmarks` reads them: an entry a row."""
    around, checks = result["environment"], result.get("gate", [])
    versions = ", ".join(f"{key} {around[key]}" for key in ("torch", "triton", "mamba_ssm") if key in around)
    passed = sum(check["passed"] for check in checks)
    return {
        "machine_info": {"python_version": platform.python_version(), "cpu": {"brand_raw": around["device"]}},
        "commit_info": {},
        "datetime": result["datetime"],
        "note": f"{passed} of {len(checks)} checks against float64 passed before anything was timed. {versions}.",
        "benchmarks": [_benchmark(row) for row in result["rows"]],
    }


def _benchmark(row: dict[str, Any]) -> dict[str, Any]:
    name = {"triton": "ours"}.get(row["implementation"], row["implementation"])
    order = ", natural order" if row["order"] == "identity" else ""
    mode = "inference" if row["pass"] == "forward" else "forward and backward"
    seconds, inputs = row["seconds"], row["batch"] * row["length"] * row["channels"] * TIMED.itemsize
    low, _, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else 3 * seconds
    info = {
        "shape": [row["batch"], row["channels"], row["length"]],
        "mode": mode + (", with its launches" if row["clock"] == "host" else ""),
        "dtype": row["dtype"],
        "seconds": {name + order: row["median"]},
        "share of arithmetic roof": row["share"],
        "extra": row["extra_bytes"] / inputs if row["extra_bytes"] else None,
    }
    test = f"scan[{name}-{mode}-{row['order']}-{row['batch']}x{row['channels']}x{row['length']}]"
    stats = {"median": row["median"], "q1": low, "q3": high, "rounds": len(seconds), "data": seconds}
    return {"name": test, "fullname": f"tests/benchmarks/gpu_scan.py::{test}", "stats": stats, "extra_info": info}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 4096, 16384, 38416])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--channels", type=int, default=1536)
    parser.add_argument("--states", type=int, default=16)
    parser.add_argument("--gate-lengths", type=int, nargs="+", default=[257, 2049], help="the reference is slow")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--copy", type=int, default=2**29, help="elements of the copy that measures bandwidth")
    parser.add_argument("--seconds", type=float, default=420, help="no new shape is begun after this long")
    options = parser.parse_args()
    began = time.monotonic()
    result: dict[str, Any] = {"command": sys.argv[1:], "environment": environment(), "skipped": [], "rows": []}
    result["datetime"] = datetime.now(UTC).isoformat()

    def save() -> None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result | as_benchmarks(result), indent=1))

    reason = triton_scan.available()
    if reason is not None:
        sys.stderr.write(f"the Triton kernels cannot run here: {reason}\n")
        return 2
    timed = [(batch, length) for batch in options.batches for length in options.lengths]
    result["gate"] = gate(options.channels, options.states, options.gate_lengths, timed)
    save()
    failed = [e for e in result["gate"] if not e["passed"]]
    if failed:
        sys.stderr.write("not timed, because these disagree with float64:\n" + json.dumps(failed, indent=1) + "\n")
        return 1
    result["ceilings"] = ceilings(options.copy)
    for batch, length in timed:
        if time.monotonic() - began > options.seconds:
            result["skipped"].append({"batch": batch, "length": length, "reason": "out of time"})
            continue
        shape = Shape(batch, length, options.channels, options.states, TIMED)
        result["rows"] += measure(shape, result["ceilings"], options.repeats)
        save()
    save()
    worst = max(max(e["errors"].values()) / e["limit"] for e in result["gate"])
    sys.stdout.write(json.dumps(result["environment"]) + "\n" + json.dumps(result["ceilings"]) + "\n")
    sys.stdout.write(f"gate passed, largest error {worst:.2f} of its limit; {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(table(result["rows"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
