"""Print what the machine code of the Triton kernels says, for GPUs that need not be there.

python -m backbones.ops.machine_code --gpu A100 H200 B200 --length 16384
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import triton

from backbones.ops.machine_code.chips import CHIPS
from backbones.ops.machine_code.prediction import Prediction, predictions
from backbones.ops.machine_code.variants import SIZES, Shape

HEADER = (
    "GPU", "kernel", "streams", "order", "gate", "registers", "stack, bytes", "warps", "instructions", "MUFU",
    "MB moved", "predicted µs", "bound by",
)  # fmt: skip


def table(rows: list[Prediction]) -> str:
    """Return the predictions as a Markdown table."""
    lines = [HEADER, ("---",) * len(HEADER)]
    for row in rows:
        lines.append((
            row.gpu, row.kernel, row.precision, _word(row.order), _word(row.gate), str(row.registers), str(row.stack),
            str(row.resident), f"{row.instructions:.2f}", f"{row.special:.2f}", f"{row.moved / 1e6:.1f}",
            f"{1e6 * row.seconds:.1f}", row.bound,
        ))  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _word(flag: bool) -> str:
    return "with" if flag else "without"


def heading(shape: Shape) -> str:
    """Return the sentences that say what the numbers are and are not."""
    return (
        f"Predicted, not measured: read from the machine code that Triton {triton.__version__} compiles, at batch "
        f"{shape.batch}, {shape.length:,} steps, {shape.channels:,} channels, {shape.states} states. Instructions are "
        "a state update (one channel, state and step) in the main loop; of a convolution, a channel and step. Warps "
        "are those that a scheduler holds. Times assume that every scheduler issues whenever a pipeline is free, at "
        "the boost clock and the bandwidth of the data sheet.\n"
    )


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m backbones.ops.machine_code", description=__doc__.split("\n")[0])
    parser.add_argument("--gpu", nargs="+", choices=CHIPS, default=["A100", "H200", "RTX 4090", "B200"])
    parser.add_argument("--precision", nargs="+", choices=SIZES, default=["bfloat16"], help="of the streams")
    parser.add_argument("--kernels", default="", help="only those whose names contain this: pass")
    parser.add_argument("--every", action="store_true", help="without order and without gate too: four times as many")
    for field in dataclasses.fields(Shape):
        parser.add_argument(f"--{field.name}", type=int, default=field.default)
    parser.add_argument("--json", type=Path, help="a file to write the numbers to")
    options = parser.parse_args()
    shape = Shape(options.batch, options.length, options.channels, options.states)
    rows: list[Prediction] = []
    for gpu in options.gpu:
        rows += predictions(shape, gpu, tuple(options.precision), options.every, options.kernels)
    sys.stdout.write(heading(shape) + "\n" + table(rows))
    if options.json:
        note = {"triton": triton.__version__, "shape": dataclasses.asdict(shape), "predicted": True}
        options.json.write_text(json.dumps(note | {"rows": [dataclasses.asdict(row) for row in rows]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
