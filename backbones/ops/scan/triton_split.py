"""The division of the Triton scan's work: chunks of a sequence, channels a lane, steps unrolled.

Where batch × sequences × channels fill the GPU, one program walks a whole sequence. Where they do not, it is cut into
chunks, as many as the GPU has room for by the registers of the compiled kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# The state is saved before every INTERVAL-th step: 4 N / INTERVAL bytes for each element of u.
INTERVAL = 32


def padded(states: int) -> int:
    """Return the next power of two, 4 at least: a channel's states are held as four tiles."""
    return max(4, 1 << max(states - 1, 0).bit_length())


@dataclass(frozen=True)
class Split:
    """A division of one pass: `chunks` of `chunk` steps each, `group` channels a lane, `steps` unrolled."""

    chunks: int
    chunk: int
    group: int
    steps: int


def _chunked(length: int, wanted: int) -> tuple[int, int]:
    """Return (chunks, chunk): at most `wanted` chunks, each a multiple of INTERVAL steps but the last."""
    chunk = -(-length // max(wanted, 1))
    chunk = -(-chunk // INTERVAL) * INTERVAL
    return -(-length // chunk), chunk


Resident = Callable[[int, int], int]
"""From channels a lane and steps unrolled to the warps of the compiled kernel that a scheduler holds."""


def lanes(states: int) -> int:
    """Return the columns of a tile in the forward pass: 32 / columns threads share a channel of over 32 states."""
    return max(1, min(32, 1024 // padded(states)))


def split_forward(
    batch: int, length: int, channels: int, states: int, size: int, schedulers: int, resident: Resident
) -> Split:
    """Return the split of a forward pass over so many warp schedulers, for streams of `size` bytes a number.

    One pass is taken where each scheduler gets a warp of 32 channels. It then waits a third of its time, still
    less than computing every exponential twice.

    Channels of one lane share the loads of B and C and the addresses. But they leave fewer warps, so they are taken
    where enough remain to hide the latency of memory, and where states, rates and the rows of B and C that are in
    flight fit the registers.
    """
    width, own = lanes(states), min(padded(states), 32)

    def warps(group: int) -> int:
        return batch * -(-channels // (width * group))

    def unrolled(group: int) -> int:
        return 1 if own * (2 * group + size) > 96 else 2

    groups = [g for g in (4, 2) if own * (2 * g + size) <= 192 and channels > (g - 1) * width]
    whole = -(-length // INTERVAL) * INTERVAL
    if warps(1) >= schedulers:
        group = next((g for g in groups if warps(g) >= 2 * schedulers), 1)
        return Split(1, whole, group, unrolled(group))
    # Chunks below 96 steps do not divide evenly among the schedulers, since each is a multiple of INTERVAL.
    shortest = {4: 3 * INTERVAL, 2: INTERVAL}
    group = next((g for g in groups if warps(g) * (length // shortest[g]) >= 2 * schedulers), 1)
    steps = unrolled(group)
    return Split(*_chunked(length, schedulers * resident(group, steps) // warps(group)), group, steps)


def columns(states: int) -> int:
    """Return the columns of a tile in the backward pass: 32 / columns threads share a channel's states."""
    size = padded(states)
    return max(4, 8 if 16 <= size <= 64 else min(32, 128 // size))


def row_group(channels: int, states: int) -> int:
    """Return the channels of a lane in the backward pass: sixteen (channel, state) pairs a thread if possible."""
    width = columns(states)
    group = min(4, max(1, 512 // (padded(states) * width)))
    while group > 1 and width * group // 2 >= channels:
        group //= 2
    return group


def split_backward(batch: int, length: int, channels: int, states: int, schedulers: int, resident: Resident) -> Split:
    """Return the split of a backward pass over so many warp schedulers.

    Of all chunk counts the one with the shortest schedule: rounds of resident programs times steps a program.
    With chunks, the carries from the right cost a fifth more.
    """
    group, steps = row_group(channels, states), 2
    warps, places = batch * -(-channels // (columns(states) * group)), schedulers * resident(group, steps)

    def cost(chunks: int, chunk: int) -> float:
        rounds = -(-warps * chunks // places)
        return rounds * chunk * (1.2 - 0.2 / chunks)

    choices = {_chunked(length, wanted) for wanted in range(1, 65)}
    return Split(*min(sorted(choices), key=lambda choice: cost(*choice)), group, steps)
