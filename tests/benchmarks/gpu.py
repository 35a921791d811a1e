"""Measure everything that needs a GPU, in one command, and pack it into one file to be sent: ``make gpu``.

    PYTHONPATH=. python tests/benchmarks/gpu.py --out results/gpu

Parts run one after another, each in a process of its own with a time limit: the kernels against float64 and beside
mamba-ssm, what their machine code predicts, the suite ``throughput`` (inference, then training), and the training of
ZigMa-B/1 plain, compiled and with its activations recomputed. A part that fails, or for which no time is left, is a
row of the table like any other. ``--dry`` walks the same path on a CPU with tiny sizes; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from backbones.ops.machine_code.chips import CHIPS
from zigbench.records.environment import environment

HERE = Path(__file__).parent
NO_PEER = "mamba-ssm is not installed; docs/guides/mamba_ssm.md says how"
CLOCKS = "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,temperature.gpu,memory.total"


@dataclass(frozen=True)
class Part:
    """One part: its name, the arguments of its Python process, its time limit and further environment variables."""

    name: str
    arguments: tuple[str, ...]
    limit: float
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Row:
    """The outcome of a part: "done", "failed" or "no time", the seconds it took, and the reason of a failure."""

    part: str
    outcome: str
    seconds: float
    reason: str = ""


def chip(device: str) -> str | None:
    """Return the name of the data sheet of a device of that name, or None: "NVIDIA H200" is "H200"."""
    return next((name for name in CHIPS if name in device), None)


def suite(out: Path, name: str, only: dict[str, str], dry: bool, **changes: str) -> tuple[str, ...]:
    """Return the arguments that run one round of a suite's runs."""
    words = ["-m", "zigbench.cli", "run", name, "--results", str(out / "runs"), "--reports", str(out / "reports")]
    words += ["--profile", "miniature"] if dry else []
    for key, value in {"seed": "0", "arm": "zigma", **only}.items():
        words += ["--only", f"{key}={value}"]
    for key, value in changes.items():
        words += ["--set", f"efficiency.{key}={value}"]
    return tuple(words)


def parts(out: Path, device: str, dry: bool) -> list[Part]:
    """Return the parts in the order in which they are worth most."""
    scan, read = [str(HERE / "gpu_scan.py"), "--out", str(out / "scan.json")], ["-m", "backbones.ops.machine_code"]
    read += ["--json", str(out / "predicted.json"), "--gpu", chip(device) or "H200", "--kernels", "scan"]
    tiny: tuple[tuple[str, str], ...] = ()
    grids = ("32×32", "64×64", "128×128")
    if dry:
        scan += ["--lengths", "5", "--batches", "1", "--channels", "2", "--states", "2", "--gate-lengths", "3"]
        scan += ["--repeats", "1", "--copy", "1024"]
        read += ["--length", "64", "--channels", "64", "--states", "4", "--kernels", "pass"]
        tiny, grids = (("TRITON_INTERPRET", "1"),), ("8×8",)
    else:
        scan += ["--lengths", "1024", "4096", "16384", "--repeats", "11", "--seconds", "75"]
    every, first = ",".join(grids), grids[0]
    step = {"mode": "training", "grid": first}
    limit = 150.0
    return [
        Part("kernels against float64, and their times", tuple(scan), limit, tiny),
        Part("predicted times", tuple(read), limit),
        Part("throughput, inference", suite(out, "throughput", {"mode": "inference", "grid": every}, dry), limit),
        Part("throughput, training", suite(out, "throughput", {"mode": "training", "grid": every}, dry), limit),
        Part("training, plain", suite(out, "throughput", step, dry, batch="2" if dry else "8"), limit),
        Part(
            "training, compiled",
            suite(out, "throughput", step, dry, batch="2" if dry else "8", compile="false" if dry else "true"),
            limit,
        ),
        Part(
            "training, checkpointed",
            suite(out, "throughput", step, dry, batch="2" if dry else "8", activation_checkpointing="true"),
            limit,
        ),
    ]


def run(part: Part, seconds: float, log: Path) -> Row:
    """Run one part for its limit at most, or the seconds that are left; its output goes into `log`."""
    if seconds < 1:
        return Row(part.name, "no time", 0.0, "the time of the whole was spent")
    variables = {**os.environ, **dict(part.variables)}
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        try:
            done = subprocess.run(
                [sys.executable, *part.arguments], stdout=file, stderr=subprocess.STDOUT, env=variables,
                timeout=min(part.limit, seconds),
            )  # fmt: skip
        except subprocess.TimeoutExpired as fault:
            return Row(part.name, "no time", time.monotonic() - began, f"stopped after {fault.timeout:.0f} s")
    taken = time.monotonic() - began
    if done.returncode:
        lines = log.read_text(encoding="utf-8").strip().splitlines()
        return Row(part.name, "failed", taken, lines[-1] if lines else f"exit status {done.returncode}")
    return Row(part.name, "done", taken)


def clocks() -> dict[str, str]:
    """Return driver, clocks, power and temperature as nvidia-smi names them; empty where there is none."""
    if shutil.which("nvidia-smi") is None:
        return {}
    command = ["nvidia-smi", f"--query-gpu={CLOCKS}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"fault": done.stderr.strip()}
    first = done.stdout.splitlines()[0].split(",")
    return dict(zip(CLOCKS.split(","), (value.strip() for value in first), strict=True))


def compared(out: Path) -> list[dict[str, Any]]:
    """Return predicted beside measured seconds of the scan's forward pass, where both have the same shape."""
    if not (out / "scan.json").exists() or not (out / "predicted.json").exists():
        return []
    scan, read = (json.loads((out / name).read_text(encoding="utf-8")) for name in ("scan.json", "predicted.json"))
    kernels = ("scan, local pass", "scan, carries", "scan, last pass")
    predicted = sum(row["seconds"] for row in read["rows"] if row["kernel"] in kernels)
    shape = read["shape"]
    return [
        {"pass": row["pass"], "batch": row["batch"], "length": row["length"], "implementation": row["implementation"],
         "predicted": predicted, "measured": row["median"]}
        for row in scan["rows"]
        if row["pass"] == "forward" and row["order"] == "random"
        and all(row[key] == shape[key] for key in ("batch", "length", "channels", "states"))
    ]  # fmt: skip


def pack(out: Path, summary: dict[str, Any]) -> Path:
    """Write the summary and put it, the parts' files and the pack of the runs into one zip beside `out`."""
    if any((out / "runs").glob("*/record.json")):
        words = [sys.executable, "-m", "zigbench.cli", "pack", "--results", out / "runs", "--out", out / "runs.zip"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    (out / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    target = out.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted([*out.glob("*.json"), *out.glob("*.log"), *out.glob("runs.zip")]):
            archive.write(file, file.name)
    return target


def table(rows: list[Row], pairs: list[dict[str, Any]]) -> str:
    """Return the rows, and predicted beside measured times, as text."""
    lines = [f"{row.part:45}{row.outcome:9}{row.seconds:7.0f} s  {row.reason}".rstrip() for row in rows]
    for pair in pairs:
        lines.append(
            f"scan forward, batch {pair['batch']}, {pair['length']} steps, {pair['implementation']}: "
            f"predicted {1e6 * pair['predicted']:.1f} µs (ours), measured {1e6 * pair['measured']:.1f} µs"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the command; exit status 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/gpu"), help="a folder; the pack is its .zip")
    parser.add_argument("--seconds", type=float, help="for all parts together: 480, in the dry mode 280")
    parser.add_argument("--dry", action="store_true", help="walk the same path on a CPU, with tiny sizes")
    options = parser.parse_args()
    if not options.dry and not torch.cuda.is_available():
        sys.stderr.write("no GPU is visible to PyTorch; see `zigbench doctor`, or try --dry\n")
        return 2
    device = "cpu, dry" if options.dry else torch.cuda.get_device_name()
    options.out.mkdir(parents=True, exist_ok=True)
    for old in [*options.out.glob("*.json"), *options.out.glob("*.log")]:
        old.unlink()  # a part that fails must not leave an earlier call's numbers in the pack
    began, before = time.monotonic(), clocks()
    whole = options.seconds if options.seconds is not None else 280 if options.dry else 480
    rows: list[Row] = []
    for index, part in enumerate(parts(options.out, device, options.dry)):
        left = whole - (time.monotonic() - began)
        rows.append(run(part, left, options.out / f"{index}.log"))
        sys.stdout.write(table(rows[-1:], []))
        sys.stdout.flush()
    if importlib.util.find_spec("mamba_ssm") is None:
        rows.append(Row("mamba-ssm beside ours", "no peer", 0.0, NO_PEER))
    if not options.dry and chip(device) is None:
        rows.append(Row("data sheet", "unknown", 0.0, f"{device} has none in machine_code/chips.py; H200's is used"))
    summary = {
        "dry": options.dry, "environment": environment(device=device), "clocks": {"before": before, "after": clocks()},
        "parts": [asdict(row) for row in rows], "predicted beside measured": compared(options.out),
    }  # fmt: skip
    target = pack(options.out, summary)
    sys.stdout.write(table(rows[len(parts(options.out, device, options.dry)) :], summary["predicted beside measured"]))
    sys.stdout.write(f"{time.monotonic() - began:.0f} s; send {target}\n")
    return int(any(row.outcome == "failed" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
