"""Performance profiles: the share of targets that an arm reaches within a factor of the fastest arm's steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zigbench.report.figures.drawing import Drawing, canvas, end_labels, series_style, styled
from zigbench.report.figures.registry import Requests, figure, request
from zigbench.report.results import Results
from zigbench.report.time_to_target import profile_ratios

LARGEST = 8.0
"""Factor up to which profiles are drawn."""


@figure("profiles", standard=True)
def profiles_over_arms(results: Results) -> Requests:
    """Show performance profiles of the time to target, where trainings were measured on the way."""
    ratios = profile_ratios(results)
    return {"profiles": request(profiles, ratios)} if ratios else {}


def steps_of(ratios: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors at which a profile rises, from 1 to ``end``, and its shares from each one on, both (n,).

    ρ(τ) is the share of problems whose ratio is at most τ, of all problems: one that is never solved never counts;
    Dolan and Moré, "Benchmarking optimization software with performance profiles" (2002), equation 2.1.
    """
    factors = np.unique(np.concatenate([[1.0, end], ratios[ratios <= end]]))
    return factors, (ratios[:, None] <= factors).mean(0)


@styled
def profiles(ratios: Mapping[str, np.ndarray], name: str = "profiles") -> Drawing:
    """Draw a rising line for each arm.

    Args:
        ratios: each arm's steps over those of the fastest, by arm, (problems,); infinite where never solved.
        name: stem of the files.
    """
    picture = canvas(7.2, 3.7)
    axes = picture.add_axes((0.085, 0.13, 0.69, 0.83))
    solved = np.concatenate([of_arm[np.isfinite(of_arm)] for of_arm in ratios.values()])
    last = min(LARGEST, max(2.0, float(solved.max(initial=1.0))))
    end = 1.1 * last  # So that the last rise does not lie on the edge.
    count = len(next(iter(ratios.values())))
    ends, tips, words = {}, {}, []
    for position, (arm, of_arm) in enumerate(ratios.items()):
        look, (factors, shares) = series_style(position), steps_of(of_arm, end)
        (line,) = axes.plot(factors, shares, drawstyle="steps-post", **look)
        line.set_gid(f"line-{position}")
        near, ever = float((of_arm <= last).mean()), int(np.isfinite(of_arm).sum())
        words.append(f"{arm} first in {shares[0]:.0%}, within {last:g}× in {near:.0%}, ever in {ever} of {count}")
        tips[f"line-{position}"] = words[-1]
        ends[arm] = (float(shares[-1]), str(look["color"]))
    axes.set_xscale("log", base=2)
    ticks = [tick for tick in (1, 1.25, 1.5, 2, 3, 4, 6, 8) if tick <= end]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(1, end)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("Steps over those of the fastest arm, τ")
    axes.set_ylabel("Share of problems solved")
    axes.grid(axis="y")
    end_labels(axes, ends)
    caption = (
        f"Share of {count} problems (data set, metric, seed) whose target an arm reaches in at most τ times the steps "
        "of the arm that reaches it first; Dolan and Moré (2002). Runs that never reach it are counted: they keep an "
        "arm's line below 100 %. At 1× the share that the arm is first in, ties included."
    )
    title = "Performance profiles of the time to target"
    return Drawing(name, picture, title, caption, f"{title}. {'; '.join(words)}.", tips)
