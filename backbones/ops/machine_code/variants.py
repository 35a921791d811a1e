"""The Triton kernels in the variants that a network launches, with what each does in a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backbones.ops.conv import triton as conv
from backbones.ops.conv import triton_kernels
from backbones.ops.machine_code.sass import Listing, Loop
from backbones.ops.scan import triton as scan
from backbones.ops.scan import triton_backward, triton_carries, triton_forward


@dataclass(frozen=True)
class Shape:
    """The size of a call: batch, steps of a sequence, channels (d_inner) and states a channel (N)."""

    batch: int = 1
    length: int = 16384
    channels: int = 1536
    states: int = 16

    @property
    def elements(self) -> int:
        """Entries of u."""
        return self.batch * self.length * self.channels


@dataclass(frozen=True)
class Variant:
    """One compiled form of a kernel.

    Attributes:
        name: as a table shows it.
        kernel: the Triton function.
        constants: its compile-time values.
        updates: what a thread does in a step: (channel, state) pairs of a scan, channels of a convolution.
        exponentials: of a thread in a step, for each innermost loop in the order of the code. From them follows how
            many steps a pass through the loop takes, however often the compiler has unrolled it.
        interval: steps of a pass through the outermost loop, where loops are nested.
        programs: one-warp programs of the launch.
        steps: that each of them walks.
        moved: bytes between the chip and its memory, every row once.
    """

    name: str
    kernel: Any
    constants: dict[str, Any]
    updates: float
    exponentials: tuple[float, ...]
    interval: int
    programs: int
    steps: int
    moved: int


def variants(
    shape: Shape, schedulers: int, bytes_each: int = 2, order: bool = True, gate: bool = True
) -> Iterator[Variant]:
    """Yield what scan and convolution launch at `shape`, for streams of `bytes_each` bytes."""
    yield from _scan_forward(shape, schedulers, bytes_each, order, gate)
    yield from _carries(shape, schedulers)
    yield from _scan_backward(shape, schedulers, bytes_each, order, gate)
    yield from _conv(shape, schedulers, bytes_each, order)


def _flags(shape: Shape, order: bool, gate: bool) -> dict[str, Any]:
    return {
        "N": shape.states, "NP": scan.padded(shape.states), "INTERVAL": scan.INTERVAL, "SOFTPLUS": True,
        "HAS_BIAS": True, "HAS_D": True, "HAS_Z": gate, "HAS_ORDER": order,
    }  # fmt: skip


def _scan_forward(shape: Shape, schedulers: int, size: int, order: bool, gate: bool) -> Iterator[Variant]:
    n, streams, rows = shape.states, shape.elements * size, shape.batch * shape.length * shape.states * size
    for name, save, local in (("local pass", False, True), ("last pass", False, False), ("saving pass", True, False)):
        plan = scan.split_forward(shape.batch, shape.length, shape.channels, n, schedulers, save)
        group, many = plan.group, plan.chunks > 1
        if local and not many:
            continue
        flags = {
            **_flags(shape, order, gate), "G": group, "W": 32, "STEPS": plan.steps, "LOCAL": local,
            "CARRY": many and not local, "SAVE": save,
        }  # fmt: skip
        blocks = -(-shape.channels // (32 * group))
        moved = (2 if local else 4 if gate else 3) * streams + (1 if local else 2) * rows + 8 * order * shape.length
        moved += 4 * n * shape.batch * shape.channels * (many * plan.chunks + save * -(-shape.length // scan.INTERVAL))
        exponentials = group * (n + 1 + (gate and not local))
        yield Variant(
            f"scan, {name}", triton_forward.sweep, flags, group * n, (exponentials,), scan.INTERVAL,
            shape.batch * blocks * (plan.chunks - local), plan.chunk, moved,
        )  # fmt: skip


def _carries(shape: Shape, schedulers: int) -> Iterator[Variant]:
    plan = scan.split_forward(shape.batch, shape.length, shape.channels, shape.states, schedulers)
    if plan.chunks > 1:
        flags = {"N": shape.states, "BLOCK": 32, "BATCH": 8, "REVERSE": False}
        programs = shape.batch * shape.states * -(-shape.channels // 32)
        moved = 4 * shape.batch * shape.channels * plan.chunks * (2 * shape.states + 1)
        yield Variant("scan, carries", triton_carries.carries, flags, 1, (1,), 8, programs, plan.chunks, moved)


def _scan_backward(shape: Shape, schedulers: int, size: int, order: bool, gate: bool) -> Iterator[Variant]:
    n, streams, rows = shape.states, shape.elements * size, shape.batch * shape.length * shape.states * size
    plan = scan.split_backward(shape.batch, shape.length, shape.channels, n, schedulers)
    many, shared = plan.chunks > 1, _flags(shape, order, gate)
    carried = 4 * n * shape.batch * shape.channels * plan.chunks
    if many:
        group = 1 if n > 32 or shape.channels <= 32 else 2
        blocks = -(-shape.channels // (32 * group))
        yield Variant(
            "scan, arrivals", triton_carries.arrivals, {**shared, "G": group, "W": 32, "STEPS": 2}, group * n,
            (group * (n + 1 + gate),), scan.INTERVAL, shape.batch * blocks * (plan.chunks - 1), plan.chunk,
            (3 if gate else 2) * streams + rows + 8 * order * shape.length + carried,
        )  # fmt: skip
    pairs = plan.group * n / 4
    blocks = -(-shape.channels // (8 * plan.group))
    saved = 4 * n * shape.batch * shape.channels * -(-shape.length // scan.INTERVAL)
    yield Variant(
        "scan, backward", triton_backward.sweep_back,
        {**shared, "G": plan.group, "W": 8, "STEPS": plan.steps, "CARRY": many},
        pairs, (pairs, pairs), scan.INTERVAL, shape.batch * blocks * plan.chunks, plan.chunk,
        (7 if gate else 5) * streams + (2 + 4 * blocks) * rows + 8 * order * shape.length + saved + 2 * carried,
    )  # fmt: skip


def _conv(shape: Shape, schedulers: int, size: int, order: bool) -> Iterator[Variant]:
    width, chunk = conv.split(shape.batch, shape.length, shape.channels, schedulers)
    flags = {
        "WIDTH": 4, "BLOCK": width, "STEPS": conv.STEPS, "SILU": True, "HAS_BIAS": True, "HAS_ORDER": order,
    }  # fmt: skip
    programs = shape.batch * -(-shape.length // chunk) * -(-shape.channels // width)
    for name, kernel, rows in (("forward", triton_kernels.forward, 2), ("backward", triton_kernels.backward, 3)):
        yield Variant(
            f"convolution, {name}", kernel, flags, width / 32, (width / 32,), chunk, programs, chunk,
            rows * shape.elements * size + 8 * order * shape.length,
        )  # fmt: skip


def per_step(listing: Listing, variant: Variant) -> Counter[str]:
    """Return how many of each instruction a thread executes in a step, of the kernel's main loop.

    Raises:
        ValueError: the loops are not those of the variant: the compiler has unrolled one of them whole.
    """
    heaviest = max(listing.loops, key=lambda loop: sum(_weight(listing, loop)), default=None)
    innermost = list(_innermost(heaviest)) if heaviest else []
    if heaviest is None or len(innermost) != len(variant.exponentials):
        raise ValueError(
            f"{variant.name}: the machine code has {len(innermost)} innermost loops, not {len(variant.exponentials)}"
        )
    total: Counter[str] = Counter()
    for loop, exponentials in zip(innermost, variant.exponentials, strict=True):
        counts = listing.count(loop)
        taken = sum(count for name, count in counts.items() if name.startswith("MUFU.EX2")) / exponentials
        if taken < 1 or taken % 1:
            raise ValueError(f"{variant.name}: a pass through its loop has the exponentials of {taken:g} steps")
        total.update({name: count / taken for name, count in counts.items()})
    outer = [loop for loop in _all(heaviest) if loop.inner]
    for loop in outer:
        total.update({name: count / variant.interval for name, count in listing.count(loop).items()})
    return total


def _weight(listing: Listing, loop: Loop) -> Iterator[int]:
    return (sum(listing.count(one).values()) for one in _all(loop))


def _all(loop: Loop) -> Iterator[Loop]:
    yield loop
    for inner in loop.inner:
        yield from _all(inner)


def _innermost(loop: Loop) -> Iterator[Loop]:
    return (one for one in _all(loop) if not one.inner)
