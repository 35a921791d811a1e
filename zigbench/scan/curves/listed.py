"""An explicit order from a file: ``file[path=orders/mine.json]``.

Three formats, by the file's ending. ``.json``: an object with ``grid`` ([h, w] or [t, h, w]) and either ``order``
(the L token indices of variant 0; the other variants are its symmetries) or ``orders`` (one list a variant, none
derived); ``"space_filling": true`` claims continuity and is checked. ``.txt``: whitespace-separated integers.
``.npy``: one integer array. The last two hold an order for whatever grid has as many tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.scan import symmetries
from zigbench.scan.catalog import curve
from zigbench.scan.making import warn_if_discontinuous
from zigbench.scan.order import Grid, IntArray, ScanOrder, check_grid, grid_text, inverse_permutation


@curve("file", cached=False)
def file(h: int, w: int, *, path: str, variant: int) -> IntArray:
    """The order of an image's tokens as a file lists it."""
    return read(Path(path), (h, w), variant)


@curve("file", cached=False)
def file_volume(t: int, h: int, w: int, *, path: str, variant: int) -> IntArray:
    """The order of a clip's tokens as a file lists it."""
    return read(Path(path), (t, h, w), variant)


def read(path: Path, grid: Grid, variant: int) -> IntArray:
    """Variant ``variant`` of the order in ``path``, on ``grid``.

    Raises:
        ValueError: the file is missing or malformed, is for another grid, lacks the variant, or holds no
            permutation (the first offending step is named).
    """
    content = _load(path)
    if "grid" in content and check_grid(content["grid"]) != grid:
        raise ValueError(
            f"{path} holds an order for grid {grid_text(check_grid(content['grid']))}, not {grid_text(grid)}"
        )
    what = f"{path}, variant {variant}, grid {grid_text(grid)}"
    length = int(np.prod(grid))
    if "orders" in content:
        listed = content["orders"]
        if variant >= len(listed):
            raise ValueError(f"{path} lists {len(listed)} variants; variant {variant} was asked for")
        order, _ = inverse_permutation(listed[variant], length, what)
    else:
        order, _ = inverse_permutation(content["order"], length, what)
        order = _derived(order, grid, variant, path)
    if content.get("space_filling"):
        warn_if_discontinuous(ScanOrder(order, curve=str(path), variant=variant, grid=grid))
    return order


def _derived(order: IntArray, grid: Grid, variant: int, path: Path) -> IntArray:
    base = symmetries.base_grid(grid, variant)
    if base != grid:
        raise ValueError(
            f"{path} holds one order for {grid_text(grid)}; variant {variant} is built on the transposed grid "
            f'{grid_text(base)}, for which it has none. List the variants under "orders", or use even ones'
        )
    return symmetries.apply(order, grid, variant)


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict) or ("order" in content) == ("orders" in content):
                raise ValueError('expected an object with "grid" and one of "order" and "orders"')
            return content
        if path.suffix == ".npy":
            return {"order": np.load(path, allow_pickle=False)}
        if path.suffix == ".txt":
            return {"order": [int(word) for word in path.read_text(encoding="utf-8").split()]}
    except (OSError, ValueError) as error:
        raise ValueError(f"the order file {path} can't be read: {error}") from error
    raise ValueError(f"the order file {path}: expected a name that ends in .json, .txt or .npy")
