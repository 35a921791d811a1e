"""Pictures: text that traces the walk, SVG that is well formed, figures that hold every step."""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from zigbench import scan
from zigbench.scan import render
from zigbench.scan.svg import RAMP, colour, svg

sides = st.integers(1, 9)
ARMS = {"╵": "U", "╷": "D", "╴": "L", "╶": "R", "│": "UD", "─": "LR"}
ARMS |= {"┌": "DR", "┐": "DL", "└": "UR", "┘": "UL", "·": ""}
MOVES = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}


def test_a_hilbert_of_four_as_text() -> None:
    assert render.box_drawing(scan.make_order("hilbert", (4, 4))).splitlines() == [
        "○─┐ ┌─●",
        "┌─┘ └─┐",
        "│ ┌─┐ │",
        "└─┘ └─┘",
        "hilbert, variant 0 (top-left, rows →), 4×4; ○ first, ● last; no jumps",
    ]


@given(st.sampled_from(scan.names()), sides, sides, st.integers(0, 7))
def test_text_draws_exactly_the_steps_between_neighbours(name: str, h: int, w: int, variant: int) -> None:
    order = scan.make_order(name, (h, w), variant)
    lines = [line.ljust(2 * w) for line in render.box_drawing(order).splitlines()]
    places = [tuple(p) for p in order.coordinates().tolist()]
    wanted = {frozenset(p) for p in itertools.pairwise(places) if np.abs(np.subtract(*p)).sum() == 1}
    drawn = set()
    for y in range(h):
        for x in range(w):
            letter = lines[y][2 * x]
            if (y, x) not in (places[0], places[-1]):
                for arm in ARMS[letter]:
                    dy, dx = MOVES[arm]
                    drawn.add(frozenset([(y, x), (y + dy, x + dx)]))
            if lines[y][2 * x + 1] == "─":
                drawn.add(frozenset([(y, x), (y, x + 1)]))
    # Both ends are marked, not stroked: a step that joins the two ends upright shows on neither.
    assert drawn <= wanted
    assert wanted - drawn <= {frozenset([places[0], places[-1]]), frozenset(places[:2]), frozenset(places[-2:])}
    jumps = h * w - 1 - len(wanted)
    assert ("no jumps" if jumps == 0 else f"{jumps} of {h * w - 1} steps are jumps") in lines[-1]


def test_a_clip_is_shown_frame_by_frame() -> None:
    text = render.box_drawing(scan.make_order("zigzag", (2, 2, 3)))
    assert text.splitlines()[0] == "frame 0"
    assert text.splitlines()[3] == "frame 1"
    assert "1 step to the frame beside" in text


@given(st.sampled_from(scan.names()), sides, sides)
def test_svg_is_well_formed_and_names_every_step(name: str, h: int, w: int) -> None:
    order = scan.make_order(name, (h, w))
    root = ElementTree.fromstring(svg(order, tooltips=True))
    space = "{http://www.w3.org/2000/svg}"
    titles = [title.text for title in root.iter(f"{space}title")]
    assert titles[1:] == [f"step {k}, token {token}" for k, token in enumerate(order.order)]
    drawn = sum(path.attrib["d"].count("L") for path in root.iter(f"{space}path"))
    assert drawn == h * w - 1


def test_the_colour_ramp_runs_from_end_to_end() -> None:
    assert (colour(0), colour(1)) == (RAMP[0], RAMP[-1])
    assert colour(0.2) == RAMP[1]


@pytest.mark.parametrize("name", ["hilbert", "random"])
def test_draw_puts_every_step_into_the_axes(name: str) -> None:
    order = scan.make_order(name, (5, 7), 3)
    ax = Figure().subplots()
    render.draw(order, ax)
    segments = [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    places = order.coordinates()[:, ::-1]
    wanted = {(tuple(a), tuple(b)) for a, b in zip(places[:-1].tolist(), places[1:].tolist(), strict=True)}
    assert {(tuple(a), tuple(b)) for a, b in np.array(segments).astype(int).tolist()} == wanted


def test_a_clip_has_a_panel_a_frame_and_no_single_drawing() -> None:
    order = scan.make_order("hilbert", (3, 4, 5))
    titled = [ax.get_title() for ax in render.figure(order).axes if ax.get_title()]
    assert titled == ["frame 0", "frame 1", "frame 2"]
    with pytest.raises(ValueError, match="use figure"):
        render.draw(order, Figure().subplots())


def test_a_sheet_sets_orders_side_by_side_with_their_figures() -> None:
    orders = [scan.make_order(name, (32, 32)) for name in ("hilbert", "hilbert-released", "zigzag")]
    titles = [ax.get_title() for ax in render.sheet(orders, across=2).axes if ax.get_title()]
    assert [title.split("\n")[1].split(" continuous")[0] for title in titles] == ["100.0 %", "48.5 %", "100.0 %"]
    with pytest.raises(ValueError, match="at least one"):
        render.sheet([])


@pytest.mark.parametrize(("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_pictures_are_saved(tmp_path: Path, ending: str, start: bytes) -> None:
    path = render.save(scan.make_order("peano", (9, 6)), tmp_path / "deep" / f"peano{ending}")
    assert path.read_bytes().startswith(start)
    with pytest.raises(ValueError, match=r"\.png or \.svg"):
        render.save(scan.make_order("peano", (9, 6)), tmp_path / "peano.gif")


def test_plots_hold_one_line_a_curve() -> None:
    orders = [scan.make_order(name, (8, 8)) for name in scan.names()]
    ax = render.locality_figure(orders).axes[0]
    assert [line.get_label() for line in ax.lines] == scan.names()
    assert np.allclose(ax.lines[0].get_ydata(), scan.locality(orders[0])[1])
    cycles = [(f"zigzag-{n}", [scan.make_order("zigzag", (8, 8), v) for v in range(n)]) for n in (1, 4)]
    ax = render.reach_figure(cycles).axes[0]
    assert np.allclose(ax.lines[1].get_ydata(), scan.reach(cycles[1][1]).share)


def test_a_comparison_sets_locality_beside_reach() -> None:
    cycles = [(name, scan.layer_orders(name, 8, 8, (8, 8))) for name in ("zigzag", "hilbert")]
    made = render.comparison_figure(cycles)
    for ax, wanted in zip(
        made.axes, ([scan.locality(c[0])[1] for _, c in cycles], [scan.reach(c).share for _, c in cycles]), strict=True
    ):
        assert all(np.allclose(line.get_ydata(), y) for line, y in zip(ax.lines, wanted, strict=True))
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["zigzag", "hilbert"]
    with pytest.raises(ValueError, match="at least one"):
        render.comparison_figure([])
