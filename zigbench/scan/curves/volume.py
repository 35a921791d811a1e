"""Curves of a clip (t, h, w): sweep, zigzag, Hilbert, and products of an image's curve with time.

Each has eight variants: the image's symmetry in every frame, and time backwards where an odd number of the variant's
bits are set (see :mod:`zigbench.scan.symmetries`). Token i of frame f has index f·h·w + i.
"""

from __future__ import annotations

import numpy as np

from zigbench.scan.curves.boxes import feasible, walk
from zigbench.scan.order import IntArray
from zigbench.scan.orders import make_order
from zigbench.scan.registry import curve


@curve("sweep", space_filling=True)
def sweep(t: int, h: int, w: int) -> IntArray:
    """Frame by frame, row-major."""
    return np.arange(t * h * w, dtype=np.int64)


@curve("raster", space_filling=True)
def raster(t: int, h: int, w: int) -> IntArray:
    """The same order as sweep, under the name that several of its symmetries have in a network."""
    return np.arange(t * h * w, dtype=np.int64)


@curve("zigzag", space_filling=True)
def zigzag(t: int, h: int, w: int) -> IntArray:
    """Every frame a zigzag, odd frames walked back: continuous through the whole box, frame to frame too."""
    return _frames_in_turn(t, h, w, make_order("zigzag", (h, w)).order, back=True)


@curve("product")
def product(
    t: int, h: int, w: int, *, spatial: str = "zigzag", temporal: str = "zigzag", inner: str = "space"
) -> IntArray:
    """The product of an image's curve with a temporal one.

    Args:
        spatial: a 2D curve (a random one in its draw of seed 0), walked in a frame (``inner=space``) or from place
            to place (``inner=time``).
        temporal: ``sweep`` starts every inner walk at the same end; ``zigzag`` walks every other one back, so that
            a continuous spatial curve gives a continuous product.
        inner: which of the two runs fastest: ``space`` walks frame after frame, ``time`` place after place.
    """
    if temporal not in ("sweep", "zigzag"):
        raise ValueError(f"temporal = {temporal!r}: expected sweep or zigzag")
    if inner not in ("space", "time"):
        raise ValueError(f"inner = {inner!r}: expected space or time")
    places = make_order(spatial, (h, w)).order
    if inner == "space":
        return _frames_in_turn(t, h, w, places, back=temporal == "zigzag")
    table = np.broadcast_to(np.arange(t, dtype=np.int64), (h * w, t)).copy()
    if temporal == "zigzag":
        table[1::2] = table[1::2, ::-1].copy()
    return (table * (h * w) + places[:, None]).reshape(-1)


def _frames_in_turn(t: int, h: int, w: int, places: IntArray, *, back: bool) -> IntArray:
    table = np.broadcast_to(places, (t, h * w)).copy()
    if back:
        table[1::2] = table[1::2, ::-1].copy()
    return (table + np.arange(t, dtype=np.int64)[:, None] * (h * w)).reshape(-1)


@curve("hilbert", space_filling=True)
def hilbert(t: int, h: int, w: int) -> IntArray:
    """The 3D Hilbert curve on any box, continuous on every one.

    It ends at the corner along the width where a continuous walk to it exists, otherwise along the height, the
    frames, or (all sides odd) the longest side; by the colours of a chessboard one of them always exists.
    """
    sides = {"w": w, "h": h, "t": t}
    names = sorted(sides, key=lambda name: (not _ends_there(name, sides), -(sides[name] if t * h * w % 2 else 0)))
    first = names[0]
    second, third = [name for name in ("h", "t", "w") if name != first]
    path = walk((sides[first], sides[second], sides[third]))
    place = {name: path[:, i].astype(np.int64) for i, name in enumerate((first, second, third))}
    return (place["t"] * h + place["h"]) * w + place["w"]


def _ends_there(name: str, sides: dict[str, int]) -> bool:
    others = [side for other, side in sides.items() if other != name]
    return feasible((sides[name], others[0], others[1]))
