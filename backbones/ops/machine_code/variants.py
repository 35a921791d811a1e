"""The Triton kernels in the variants that a network launches, with what each does in a step."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backbones.ops.conv import triton as conv
from backbones.ops.conv import triton_kernels
from backbones.ops.gpu.cubin import resident_warps, resources
from backbones.ops.machine_code.chips import Chip
from backbones.ops.machine_code.compilation import compiled
from backbones.ops.machine_code.sass import Listing, Loop
from backbones.ops.scan import triton_backward, triton_carries, triton_forward, triton_split

SIZES = {"bfloat16": 2, "float16": 2, "float32": 4}
"""Bytes of a number of the streams, by their precision."""


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
        exponentials: of a thread in a step, for each loop over steps in the order of the code. From them follows how
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


def variants(shape: Shape, chip: Chip, precision: str, order: bool = True, gate: bool = True) -> Iterator[Variant]:
    """Yield what scan and convolution launch on `chip` at `shape`, for streams of `precision`, aligned to 16 bytes."""
    call = _Call(shape, chip, precision, order, gate)
    yield from call.scan_forward(save=False)
    yield from call.scan_forward(save=True)
    yield from call.scan_backward()
    yield from call.conv()


@dataclass(frozen=True)
class _Call:
    """A call of scan and convolution: shape, chip, precision, and whether there is an order and a gate."""

    shape: Shape
    chip: Chip
    precision: str
    order: bool
    gate: bool

    @property
    def streams(self) -> int:
        """Bytes of u."""
        return self.shape.elements * SIZES[self.precision]

    @property
    def rows(self) -> int:
        """Bytes of B."""
        return self.streams // self.shape.channels * self.shape.states

    @property
    def orders(self) -> int:
        """Bytes of the order."""
        return 8 * self.order * self.shape.length

    def states(self, count: int) -> int:
        """Return the bytes of `count` states of all channels, float32."""
        return 4 * count * self.shape.batch * self.shape.channels * self.shape.states

    def flags(self, group: int, steps: int, width: int) -> dict[str, Any]:
        """Return the constants of the scan's kernels, for tensors of aligned rows."""
        n = self.shape.states
        return {
            "N": n, "NP": triton_split.padded(n), "G": group, "W": width, "STEPS": steps,
            "INTERVAL": triton_split.INTERVAL, "SOFTPLUS": True, "HAS_BIAS": True, "HAS_D": True, "HAS_Z": self.gate,
            "HAS_ORDER": self.order, "PAIRED": self.shape.channels % 2 == 0, "ALIGN": 16 if n % 2 == 0 else 0,
        }  # fmt: skip

    def resident(self, kernel: Any, flags: dict[str, Any]) -> int:
        """Return how many warps of `kernel` a scheduler of the chip holds."""
        binary = compiled(kernel, flags, self.chip.architecture, self.precision)
        return resident_warps(resources(binary.asm["cubin"]).registers, self.chip.programs)

    def blocks(self, width: int) -> int:
        """Return programs of `width` channels that cover all of a batch."""
        return self.shape.batch * -(-self.shape.channels // width)

    def scan_forward(self, save: bool) -> Iterator[Variant]:
        """Yield the last pass, saving the states or not, and in front of it what a cut sequence needs."""
        n, width = self.shape.states, triton_split.lanes(self.shape.states)

        def resident(group: int, steps: int) -> int:
            kind = {"LOCAL": False, "CARRY": True, "SAVE": save}
            return self.resident(triton_forward.sweep, {**self.flags(group, steps, width), **kind})

        size = SIZES[self.precision]
        plan = triton_split.split_forward(
            self.shape.batch, self.shape.length, self.shape.channels, n, size, self.chip.schedulers, resident
        )
        many, flags, blocks = (
            plan.chunks > 1,
            self.flags(plan.group, plan.steps, width),
            self.blocks(width * plan.group),
        )
        updates = plan.group * triton_split.padded(n) * width / 32
        carried = self.states(many * plan.chunks)
        if many and not save:
            kind = {"LOCAL": True, "CARRY": False, "SAVE": False}
            moved = 2 * self.streams + self.rows + self.orders + carried
            yield Variant(
                "scan, local pass", triton_forward.sweep, {**flags, **kind}, updates, (updates + plan.group,),
                triton_split.INTERVAL, blocks * (plan.chunks - 1), plan.chunk, moved,
            )  # fmt: skip
            yield self.carries(plan.chunks)
        kind = {"LOCAL": False, "CARRY": many, "SAVE": save}
        saved = self.states(save * -(-self.shape.length // triton_split.INTERVAL))
        moved = (3 + self.gate) * self.streams + 2 * self.rows + self.orders + carried + saved
        yield Variant(
            "scan, saving pass" if save else "scan, last pass", triton_forward.sweep, {**flags, **kind}, updates,
            (updates + plan.group * (1 + self.gate),), triton_split.INTERVAL, blocks * plan.chunks, plan.chunk, moved,
        )  # fmt: skip

    def carries(self, chunks: int) -> Variant:
        """Return the scan over so many chunks' end states."""
        flags = {"N": self.shape.states, "BLOCK": 32, "BATCH": 8, "REVERSE": False}
        moved = 2 * self.states(chunks) + self.states(chunks) // self.shape.states
        programs = self.shape.states * self.blocks(32)
        return Variant("scan, carries", triton_carries.carries, flags, 1, (1,), 8, programs, chunks, moved)

    def scan_backward(self) -> Iterator[Variant]:
        """Yield the sweep from the right, and in front of it what a cut sequence needs."""
        n, width = self.shape.states, triton_split.columns(self.shape.states)

        def resident(group: int, steps: int) -> int:
            return self.resident(triton_backward.sweep_back, {**self.flags(group, steps, width), "CARRY": True})

        plan = triton_split.split_backward(
            self.shape.batch, self.shape.length, self.shape.channels, n, self.chip.schedulers, resident
        )
        carried = self.states(plan.chunks)
        if plan.chunks > 1:
            wide = triton_split.lanes(n)
            group = 1 if self.shape.channels <= wide else 2
            updates = group * triton_split.padded(n) * wide / 32
            yield Variant(
                "scan, arrivals", triton_carries.arrivals, self.flags(group, 1 if n > 16 else 2, wide), updates,
                (updates + group * (1 + self.gate),), triton_split.INTERVAL,
                self.blocks(wide * group) * (plan.chunks - 1), plan.chunk,
                (2 + self.gate) * self.streams + self.rows + self.orders + carried,
            )  # fmt: skip
        blocks, rows = self.blocks(width * plan.group), plan.group * width / 32
        updates = rows * triton_split.padded(n)
        moved = (5 + 2 * self.gate) * self.streams + (2 + 4 * blocks // self.shape.batch) * self.rows + self.orders
        yield Variant(
            "scan, backward", triton_backward.sweep_back,
            {**self.flags(plan.group, plan.steps, width), "CARRY": plan.chunks > 1}, updates,
            (rows * (1 + self.gate), updates, updates, rows * (1 + self.gate)),
            triton_split.INTERVAL, blocks * plan.chunks, plan.chunk,
            moved + self.states(-(-self.shape.length // triton_split.INTERVAL)) + 2 * carried,
        )  # fmt: skip

    def conv(self) -> Iterator[Variant]:
        """Yield the convolution's two passes, of four taps."""
        width, chunk = conv.split(self.shape.batch, self.shape.length, self.shape.channels, self.chip.schedulers)
        flags = {
            "WIDTH": 4, "BLOCK": width, "STEPS": conv.STEPS, "SILU": True, "HAS_BIAS": True, "HAS_ORDER": self.order,
        }  # fmt: skip
        programs = self.blocks(width) * -(-self.shape.length // chunk)
        for name, kernel, rows in (("forward", triton_kernels.forward, 2), ("backward", triton_kernels.backward, 3)):
            yield Variant(
                f"convolution, {name}", kernel, flags, width / 32, (width / 32,), chunk, programs, chunk,
                rows * self.streams + self.orders,
            )  # fmt: skip


def per_step(listing: Listing, variant: Variant) -> Counter[str]:
    """Return how many of each instruction a thread executes in a step, of the kernel's main loop.

    A short loop may stand in the outermost one without a loop of its own, unrolled whole: it takes an interval a pass.

    Raises:
        ValueError: the loops do not have the variant's exponentials.
    """
    heaviest = max(listing.loops, key=lambda loop: sum(_weight(listing, loop)), default=None)
    loops = list(_all(heaviest)) if heaviest else []
    counts = [listing.count(loop) for loop in loops if not loop.inner]
    outer = [listing.count(loop) for loop in loops if loop.inner]
    inside, outside = list(map(_exponentials, counts)), sum(map(_exponentials, outer))
    for looped in itertools.combinations(variant.exponentials, len(counts)):
        taken = [number / own for number, own in zip(inside, looped, strict=True)]
        unrolled = variant.interval * (sum(variant.exponentials) - sum(looped))
        if taken and all(steps >= 1 and steps % 1 == 0 for steps in taken) and outside == unrolled:
            break
    else:
        raise ValueError(
            f"{variant.name}: the innermost loops of the machine code have {inside} exponentials and the loops around "
            f"them {outside}; the kernel's have {variant.exponentials} a step"
        )
    total: Counter[str] = Counter()
    for count, steps in [*zip(counts, taken, strict=True), *((count, variant.interval) for count in outer)]:
        total.update({name: number / steps for name, number in count.items()})
    return total


def _exponentials(counts: Counter[str]) -> int:
    return sum(count for name, count in counts.items() if name.startswith("MUFU.EX2"))


def _weight(listing: Listing, loop: Loop) -> Iterator[int]:
    return (sum(listing.count(one).values()) for one in _all(loop))


def _all(loop: Loop) -> Iterator[Loop]:
    yield loop
    for inner in loop.inner:
        yield from _all(inner)
