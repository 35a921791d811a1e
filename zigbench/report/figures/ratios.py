"""How many times longer others take: a row a task, a dot a peer."""

from __future__ import annotations

from collections.abc import Mapping

from zigbench.report import formatting
from zigbench.report.figures.drawing import INK, MARKERS, MUTED, Drawing, canvas, plain_log_ticks, series_style, styled


@styled
def ratios(rows: Mapping[str, Mapping[str, float]], name: str, *, caption: str = "") -> Drawing:
    """A peer's time over this package's, on a logarithmic axis; left of the line at 1 the peer is faster.

    Args:
        rows: by task, then by peer.
        name: stem of the files.
        caption: what besides is to be said.
    """
    peers = {peer: i for i, peer in enumerate(dict.fromkeys(peer for row in rows.values() for peer in row))}
    height = 1.05 + 0.27 * max(len(rows), 1)
    figure = canvas(7.2, height)
    axes = figure.add_axes((0.37, 0.5 / height, 0.6, 1 - 0.85 / height))
    axes.axvline(1, color=INK, linewidth=0.9)
    tips, said = {}, []
    for place, (task, row) in enumerate(rows.items()):
        for peer, ratio in row.items():
            colour = series_style(peers[peer])["color"]
            label = None if any(peer in other for other in list(rows.values())[:place]) else peer
            (dot,) = axes.plot(
                ratio, place, MARKERS[peers[peer] % len(MARKERS)], color=colour, markersize=6, label=label
            )
            gid = f"ratio-{place}-{peers[peer]}"
            dot.set_gid(gid)
            tips[gid] = f"{task}: {peer} takes {formatting.number(ratio, 3)} times as long"
            if all(other <= ratio or other > 1.5 * ratio for other in row.values()):  # Else it would run into it.
                axes.annotate(
                    f"{formatting.number(ratio, 3)}×", (ratio, place), xytext=(6, 0), textcoords="offset points",
                    va="center", fontsize=7.5, color=MUTED,
                )  # fmt: skip
        said.append(f"{task}: " + ", ".join(f"{peer} {formatting.number(r, 3)}×" for peer, r in row.items()))
    axes.set_xscale("log")
    plain_log_ticks(axes, "x")
    axes.margins(x=0.12)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("Time of the peer over ours")
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, frameon=False, fontsize=8.5, handletextpad=0.3
    )
    for text in legend.get_texts():
        text.set_color(str(series_style(peers[text.get_text()])["color"]))
    words = f"Right of the line the peer takes longer. {caption}".strip()
    return Drawing(name, figure, "Beside peers", words, f"Time of peers over ours. {'; '.join(said)}.", tips)
