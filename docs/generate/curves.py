"""Every registered scan curve: its picture, its claim, its parameters and its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from generate.words import NONE, code, summary, table
from zigbench import scan
from zigbench.scan.registry import Curve, lookup
from zigbench.scan.render import svg
from zigbench.spec import registry

IMAGE, CLIP = (32, 32), (4, 8, 8)
DRAWN, DRAWN_CLIP = (8, 8), (2, 4, 4)


def images() -> str:
    """Return a table of statistics on 32×32, then a section for each curve of images."""
    rows = scan.compare(scan.names(2), IMAGE)
    return _figures(rows) + "\n" + "\n".join(_section(row["curve"], 2, DRAWN) for row in rows) + _from_file()


def clips() -> str:
    """Return a table of statistics on 4×8×8, then a section for each curve of clips."""
    rows = scan.compare(scan.names(3), CLIP)
    return _figures(rows) + "\n" + "\n".join(_section(row["curve"], 3, DRAWN_CLIP) for row in rows)


def _figures(rows: Sequence[dict[str, Any]]) -> str:
    schemes = [key for key in rows[0] if key.startswith("reach_")]
    heads = (
        "curve", "continuity:", "mean jump:", "longest jump:", "near distance:", "neighbour gap:", "closed",
        "variants:", "layers to full reach, n = " + "/".join(key.removeprefix("reach_") for key in schemes),
    )  # fmt: skip
    return table(
        heads,
        (
            (
                code(row["curve"]),
                f"{100 * row['continuity']:.1f} %",
                f"{row['mean_jump']:.2f}",
                f"{row['max_jump']:.0f}",
                f"{row['near_distance']:.2f}",
                f"{row['neighbour_gap']:.2f}",
                "yes" if row["closed"] else "no",
                str(row["variants"]),
                "/".join("∞" if row[key] is None else str(row[key]) for key in schemes),
            )
            for row in rows
        ),
    )


def _section(name: str, dimensions: int, grid: tuple[int, ...]) -> str:
    curve = lookup(name, dimensions)[0]
    sides = "×".join(map(str, grid))
    picture = svg(scan.make_order(name, grid), title=f"{name} on {sides}")
    claim = "at least as continuous as a row sweep on every grid" if curve.space_filling else "none"
    facts = [("claims", claim), ("variants", _variants(curve)), ("parameters", _parameters(curve))]
    items = "\n".join(f"- {key}: {value}" for key, value in facts)
    return (
        f"{'#' * 3} {name}{' (clips)' if dimensions == 3 else ''}\n\n"
        f'<div class="curve {"clip" if dimensions == 3 else "image"}">{picture}</div>\n\n{summary(curve)}\n\n{items}\n'
    )


def _variants(curve: Curve) -> str:
    if curve.seeded:
        return "each a draw of its own, from the seed and the variant"
    return "built one by one" if curve.own_variants else "the eight symmetries"


def _parameters(curve: Curve) -> str:
    known = [code(f"{key}={str(value).lower()}") for key, value in curve.parameters.items() if value is not ...]
    return ", ".join(known) or NONE


def _from_file() -> str:
    curve = registry.curves.get("file")
    needed = ", ".join(code(key) for key in curve.parameters)
    return f"\n### file\n\n{summary(curve)}\n\n- claims: none, or that of the file\n- parameters: {needed}\n"
