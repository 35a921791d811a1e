"""An explicit order from a file: ``file[path=orders/mine.json]``.

Three formats, by the file's ending. ``.json``: an object with ``grid`` ([h, w] or [t, h, w]) and either ``order``
(the L token indices of variant 0; the other variants are its symmetries) or ``orders`` (one list a variant, none
derived); ``"space_filling": true`` claims continuity and is checked. ``.txt``: whitespace-separated integers.
``.npy``: one integer array. The last two hold an order for whatever grid has as many tokens.

A name gives the place of the file, not its content. ``sha256`` pins the content as well: the first digits of the
file's SHA-256 (at least 8) become part of the curve's name, and a file that has changed since is refused.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zigbench.scan import symmetries
from zigbench.scan.order import Grid, IntArray, ScanOrder, check_grid, grid_text, inverse_permutation
from zigbench.scan.orders import warn_if_discontinuous
from zigbench.scan.registry import curve
from zigbench.spec import files


@curve("file", cached=False)
def file(h: int, w: int, *, path: str, sha256: str = "", variant: int) -> IntArray:
    """The order of an image's tokens as a file lists it; a relative path starts at the working directory."""
    return read(Path(path), (h, w), variant, sha256)


@curve("file", cached=False)
def file_volume(t: int, h: int, w: int, *, path: str, sha256: str = "", variant: int) -> IntArray:
    """The order of a clip's tokens as a file lists it; a relative path starts at the working directory."""
    return read(Path(path), (t, h, w), variant, sha256)


def read(path: Path, grid: Grid, variant: int, sha256: str = "") -> IntArray:
    """Return variant ``variant`` of the order in ``path``, on ``grid``.

    Raises:
        ValueError: the file is missing or malformed, has another SHA-256, is for another grid, lacks the variant,
            or holds no permutation (the first offending step is named).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"the order file {path} can't be read: {error.strerror}") from error
    digest = files.sha256(data)
    if sha256 and (len(sha256) < 8 or not digest.startswith(sha256.lower())):
        raise ValueError(f"the order file {path} has SHA-256 {digest[:16]}…; the curve's name says sha256={sha256}")
    try:
        content = _parsed(data, path.suffix)
    except ValueError as error:
        raise ValueError(f"the order file {path} can't be read: {error}") from error
    if content.grid is not None and content.grid != grid:
        raise ValueError(f"{path} holds an order for grid {grid_text(content.grid)}, not {grid_text(grid)}")
    name = f"{path}, variant {variant}, grid {grid_text(grid)}"
    length = math.prod(grid)
    if content.one:
        order = _derived(inverse_permutation(content.orders[0], length, name)[0], grid, variant, path)
    elif variant < len(content.orders):
        order = inverse_permutation(content.orders[variant], length, name)[0]
    else:
        raise ValueError(f"{path} lists {len(content.orders)} variants; variant {variant} is not among them")
    if content.space_filling:
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


@dataclass(frozen=True)
class _Content:
    """The content of a file: ``one`` order to derive the variants from, or one for each variant."""

    orders: list[npt.NDArray[Any]]
    one: bool = True
    grid: Grid | None = None
    space_filling: bool = False


def _parsed(data: bytes, ending: str) -> _Content:
    if ending == ".npy":
        return _Content([np.load(io.BytesIO(data), allow_pickle=False)])
    if ending == ".txt":
        return _Content([np.array([int(word) for word in data.decode("utf-8").split()], dtype=np.int64)])
    if ending != ".json":
        raise ValueError("expected a name that ends in .json, .txt or .npy")
    content = json.loads(data)
    if not isinstance(content, dict) or "grid" not in content or ("order" in content) == ("orders" in content):
        raise ValueError('expected an object with "grid" and one of "order" and "orders"')
    one = "order" in content
    lists = [content["order"]] if one else content["orders"]
    if not isinstance(lists, list) or not lists or not all(isinstance(order, list) for order in lists):
        raise ValueError('"order" is a list of token indices, "orders" a list of such lists')
    arrays = [np.asarray(order) for order in lists]
    return _Content(arrays, one, check_grid(content["grid"]), bool(content.get("space_filling", False)))
