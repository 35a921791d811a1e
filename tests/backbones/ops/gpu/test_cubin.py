"""Registers and stack, from an ELF file written by hand."""

from __future__ import annotations

import struct

import pytest

from backbones.ops.gpu.cubin import Resources, resident_warps, resources


def _cubin(attributes: bytes) -> bytes:
    """Return an ELF file whose only sections are its names and .nv.info."""
    names = b"\0.shstrtab\0.nv.info\0"
    sections = [(1, 64, len(names)), (11, 64 + len(names), len(attributes))]
    header = b"\x7fELF\x02".ljust(0x28, b"\0") + struct.pack("<Q", 64 + len(names) + len(attributes))
    header = header.ljust(0x3A, b"\0") + struct.pack("<HHH", 64, len(sections), 0)
    table = b"".join(
        struct.pack("<II", name, 1).ljust(0x18, b"\0") + struct.pack("<QQ", offset, size) + bytes(24)
        for name, offset, size in sections
    )
    return header + names + attributes + table


def _sized(attribute: int, *values: int) -> bytes:
    return struct.pack("<BBH", 4, attribute, 4 * len(values)) + struct.pack(f"<{len(values)}I", *values)


def test_registers_and_stack_are_read() -> None:
    other = _sized(0x12, 9, 999) + struct.pack("<BBH", 3, 0x1B, 255)  # one with a size, one with a value in its place
    assert resources(_cubin(other + _sized(0x2F, 9, 168) + _sized(0x11, 9, 24))) == Resources(168, 24)


@pytest.mark.parametrize("attributes", [b"", _sized(0x2F, 9, 16) + _sized(0x2F, 10, 32)])
def test_a_file_of_no_kernel_or_two_is_refused(attributes: bytes) -> None:
    with pytest.raises(ValueError, match="one kernel"):
        resources(_cubin(attributes))


def test_another_file_is_refused() -> None:
    with pytest.raises(ValueError, match="ELF"):
        resources(b"!<arch>\n")


@pytest.mark.parametrize(
    ("registers", "programs", "warps"),
    [(255, 32, 2), (169, 32, 2), (168, 32, 3), (128, 32, 4), (96, 32, 5), (64, 32, 8), (16, 32, 8), (16, 24, 6)],
)
def test_a_schedulers_registers_are_handed_out_in_eighths(registers: int, programs: int, warps: int) -> None:
    assert resident_warps(registers, programs) == warps
