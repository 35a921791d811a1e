"""Drawings: text that traces the walk, SVG that is well formed, figures that hold every step."""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from zigbench import scan
from zigbench.scan import render
from zigbench.scan.render import RAMP, colour, svg

sides = st.integers(1, 9)
ARMS = {"╵": "U", "╷": "D", "╴": "L", "╶": "R", "│": "UD", "─": "LR"}
ARMS |= {"┌": "DR", "┐": "DL", "└": "UR", "┘": "UL", "·": ""}
MOVES = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}


def test_a_hilbert_of_four_as_text() -> None:
    assert render.text(scan.make_order("hilbert", (4, 4))).splitlines() == [
        "○─┐ ┌─●",
        "┌─┘ └─┐",
        "│ ┌─┐ │",
        "└─┘ └─┘",
        "hilbert, variant 0 (top-left, rows →), 4×4; ○ first, ● last; no jumps",
    ]


@given(st.sampled_from(scan.names()), sides, sides, st.integers(0, 7))
def test_text_draws_exactly_the_steps_between_neighbours(name: str, h: int, w: int, variant: int) -> None:
    order = scan.make_order(name, (h, w), variant)
    lines = [line.ljust(2 * w) for line in render.text(order).splitlines()]
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
    text = render.text(scan.make_order("zigzag", (2, 2, 3)))
    assert text.splitlines()[0] == "frame 0"
    assert text.splitlines()[3] == "frame 1"
    assert "1 step to the next or previous frame" in text


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


def drawn_segments(ax: Axes) -> np.ndarray:
    """Return the segments in ``ax``, shape (steps, 2, 2)."""
    return np.array([s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()])


@pytest.mark.parametrize("name", ["hilbert", "random"])
def test_draw_puts_every_step_into_the_axes(name: str) -> None:
    order = scan.make_order(name, (5, 7), 3)
    ax = Figure().subplots()
    render.draw(order, ax)
    segments = drawn_segments(ax)
    places = order.coordinates()[:, ::-1]
    wanted = {(tuple(a), tuple(b)) for a, b in zip(places[:-1].tolist(), places[1:].tolist(), strict=True)}
    assert {(tuple(a), tuple(b)) for a, b in segments.astype(int).tolist()} == wanted


def test_a_clip_is_drawn_without_the_steps_between_frames() -> None:
    order = scan.make_order("hilbert", (3, 4, 5))
    (ax,) = render.figure(order).axes
    within = int((np.diff(order.coordinates()[:, 0]) == 0).sum())
    assert len(drawn_segments(ax)) == within
    assert svg(order).count("L") == within


@pytest.mark.parametrize(("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_pictures_are_saved(tmp_path: Path, ending: str, start: bytes) -> None:
    path = render.save(render.figure(scan.make_order("peano", (9, 6))), tmp_path / "deep" / f"peano{ending}")
    assert path.read_bytes().startswith(start)
    with pytest.raises(ValueError, match=r"\.png or \.svg"):
        render.save(render.figure(scan.make_order("peano", (9, 6))), tmp_path / "peano.gif")
