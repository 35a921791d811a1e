"""A Triton kernel compiled for a GPU that is not there, and its machine code disassembled."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from backbones.ops.gpu.cubin import Resources, resources
from backbones.ops.machine_code.sass import Listing, parse
from backbones.ops.scan.triton import LAUNCH

# By the names of the kernels' arguments. All other pointers are to float32, all other numbers 32-bit integers.
STREAMS = {"u", "delta", "B", "C", "z", "y", "dy", "du", "ddelta", "dz", "x", "dx"}
FLOATS = {"A", "D", "bias", "carry", "total", "state", "dA", "dB", "dC", "dD", "dbias", "scratch", "weight", "sums"}
TYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


@dataclass(frozen=True)
class MachineCode:
    """A compiled kernel: what a thread occupies, the instructions, and shared memory in bytes."""

    resources: Resources
    listing: Listing
    shared: int
    ptx: str


def compiled(kernel: Any, constants: Mapping[str, Any], architecture: int, precision: str = "bfloat16") -> Any:
    """Compile `kernel` for compute capability `architecture`, 90 for 9.0; pointers and strides divide by 16.

    Args:
        constants: values of the kernel's constants; names that it does not have are ignored.
        precision: of the streams (batch, L, ·), a key of TYPES.

    Returns:
        Triton's compiled kernel, from its cache on disk if it is there.
    """
    names = kernel.arg_names
    given = {name: value for name, value in constants.items() if name in names}
    signature, attributes = {}, {}
    for index, name in enumerate(names):
        if name in given:
            signature[name] = "constexpr"
            continue
        signature[name] = _type(name, TYPES[precision])
        if name not in kernel.do_not_specialize:
            attributes[(index,)] = [["tt.divisibility", 16]]
    values = {(names.index(name),): value for name, value in given.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=values, attrs=attributes)
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=LAUNCH)


def _type(name: str, stream: str) -> str:
    if name == "order":
        return "*i64"
    if name in STREAMS:
        return f"*{stream}"
    return "*fp32" if name in FLOATS else "i32"


def machine_code(kernel: Any, constants: Mapping[str, Any], architecture: int, precision: str) -> MachineCode:
    """Return the machine code of `kernel`, compiled as :func:`compiled` does."""
    binary = compiled(kernel, constants, architecture, precision)
    return MachineCode(
        resources(binary.asm["cubin"]), parse(disassembled(binary.asm["cubin"])), binary.metadata.shared,
        binary.asm["ptx"],
    )  # fmt: skip


def disassembled(cubin: bytes) -> str:
    """Return the listing of `cubin`, by the disassembler that comes with Triton.

    Raises:
        RuntimeError: there is none, or it does not know this architecture; the message says which.
    """
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "nvdisasm"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        try:
            done = subprocess.run([tool, "-c", file.name], capture_output=True, text=True)
        except OSError as fault:
            raise RuntimeError(f"{tool} does not run: {fault}; install triton from its wheel") from fault
    if done.returncode:
        raise RuntimeError(f"{tool} does not read this machine code: {done.stderr.strip()}")
    return done.stdout
