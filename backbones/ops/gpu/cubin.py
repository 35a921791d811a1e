"""Registers and stack of a kernel, as its compiled ELF file (a cubin) states them. Needs no driver and no GPU."""

from __future__ import annotations

import struct
from dataclasses import dataclass

# Attributes of the section .nv.info; each is a byte of format, a byte of attribute, and two of size or value.
_SIZED = 0x04
_FRAME_SIZE, _REGISTERS = 0x11, 0x2F


@dataclass(frozen=True)
class Resources:
    """Registers and local memory of one thread of a kernel."""

    registers: int
    stack: int
    """Bytes of local memory, which lies behind the caches of the GPU's main memory."""


def resources(cubin: bytes) -> Resources:
    """Return the registers and the stack of the one kernel in `cubin`.

    Raises:
        ValueError: it is no 64-bit ELF file, or holds no or several kernels.
    """
    if cubin[:5] != b"\x7fELF\x02":
        raise ValueError("a cubin must be a 64-bit ELF file; this one is not")
    values: dict[int, list[int]] = {_FRAME_SIZE: [], _REGISTERS: []}
    info, place = _section(cubin, b".nv.info"), 0
    while place + 4 <= len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, place)
        if form == _SIZED and attribute in values:
            values[attribute].append(struct.unpack_from("<II", info, place + 4)[1])
        place += 4 + (size if form == _SIZED else 0)
    if len(values[_REGISTERS]) != 1:
        raise ValueError(f"a cubin must hold one kernel; this one states the registers of {len(values[_REGISTERS])}")
    return Resources(values[_REGISTERS][0], sum(values[_FRAME_SIZE]))


def _section(elf: bytes, name: bytes) -> bytes:
    """Return the bytes of the section of that name; empty if there is none."""
    (headers,) = struct.unpack_from("<Q", elf, 0x28)
    entry, count, strings = struct.unpack_from("<HHH", elf, 0x3A)
    table = [struct.unpack_from("<II", elf, headers + i * entry) for i in range(count)]
    spans = [struct.unpack_from("<QQ", elf, headers + i * entry + 0x18) for i in range(count)]
    for (start, _), (offset, size) in zip(table, spans, strict=True):
        begin = spans[strings][0] + start
        if elf[begin : elf.index(b"\0", begin)] == name:
            return elf[offset : offset + size]
    return b""


def resident_warps(registers: int, programs: int = 32) -> int:
    """Return how many one-warp programs a warp scheduler holds at once, for so many registers a thread.

    A scheduler has 16,384 registers, handed out to warps in units of 256. A multiprocessor of four schedulers holds
    `programs` at most: 32 in data-centre GPUs (CUDA C++ programming guide, technical specifications).
    """
    unit = -(-max(registers, 1) // 8) * 8
    return max(1, min(programs // 4, 512 // unit))
