"""Effects along a setting that grows, such as the length of the training or the width: do they last?

The setting is a further axis of the suite, each of whose points sets one number of the spec. Every point is a training
of its own; arms are compared at equal points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zigbench.report import formatting, protocols
from zigbench.report.family import SEED, contrast_pairs
from zigbench.report.formatting import Sentence
from zigbench.report.results import Results
from zigbench.report.statistics import Effect, mean_interval, paired_effect

FIGURE = "lasting"
"""Name of the figure; a suite that names it has the sentences too."""


@dataclass(frozen=True)
class SweptAxis:
    """An axis with a number at each point: its name, and the numbers by label in ascending order."""

    name: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class EffectSeries:
    """One difference of two arms at each point of the axis.

    Args:
        a, b: labels on the first axis.
        effects: by the label of the point, ascending; p corrected within the campaign.
        pairs: names of the two arms at each of these points.
        margin: difference below which the two count as equal, where a contrast states it.
    """

    a: str
    b: str
    effects: Mapping[str, Effect]
    pairs: Mapping[str, tuple[str, str]]
    margin: float | None = None

    @property
    def name(self) -> str:
        return f"{self.a} − {self.b}"


def swept_axis(results: Results) -> SweptAxis | None:
    """Return the first further axis of which every point sets one number; None where there is none."""
    for axis in results.suite.axes:
        if axis.name in (SEED, results.first_axis):
            continue
        numbers = {label: _number(label, keys) for label, keys in axis.points.items()}
        if len(numbers) > 1 and all(math.isfinite(number) for number in numbers.values()):
            return SweptAxis(axis.name, dict(sorted(numbers.items(), key=lambda item: item[1])))
    return None


def _number(label: str, keys: Mapping[str, object]) -> float:
    """Return the number that a point sets, or that its label is where the definition has no keys; else NaN."""
    if len(keys) > 1:
        return math.nan
    value = next(iter(keys.values()), label.replace(",", ""))
    try:
        return math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        return math.nan


def effect_series(results: Results, axis: SweptAxis) -> tuple[EffectSeries, ...]:
    """Return the series of the contrasts, then those of the other arms against the baseline."""
    if not results.metrics:
        return ()
    metric = results.metrics[0]
    margins = {(c.a, c.b): c.margin for c in results.suite.contrasts}
    labels = dict.fromkeys(of[results.first_axis or ""] for of in results.labels.values())
    wanted = list(dict.fromkeys([*margins, *((a, str(results.baseline)) for a in labels if a != results.baseline)]))
    series = []
    for a, b in wanted:
        pairs = {
            labels_of[axis.name]: (arm, other)
            for labels_of, arm, other in contrast_pairs(a, b, results.labels, results.first_axis)
            if labels_of.keys() == {axis.name}
        }
        ordered = {label: pairs[label] for label in axis.numbers if label in pairs}
        tested = dict(zip(ordered, protocols.effects_alike(results, metric, list(ordered.values())), strict=True))
        if sum(effect.estimate.n > 0 for effect in tested.values()) > 1:
            series.append(EffectSeries(a, b, tested, ordered, margins.get((a, b))))
    return tuple(series)


def lasting_sentences(results: Results) -> tuple[Sentence, ...]:
    """Return a sentence for each series on how its effect changes from its first point to its last."""
    axis = swept_axis(results)
    if axis is None or FIGURE not in results.suite.figures or not results.metrics:
        return ()
    values = results.values(results.metrics[0])
    sentences = []
    for series in effect_series(results, axis):
        known = [label for label, effect in series.effects.items() if effect.estimate.n]
        first, last = known[0], known[-1]
        (a, b), (c, d) = series.pairs[first], series.pairs[last]
        change = paired_effect(values.loc[c] - values.loc[d], values.loc[a] - values.loc[b])
        before, after = (series.effects[label].estimate for label in (first, last))
        where = f"on {results.data}, " if results.data else ""
        start = first if axis.name.endswith("s") else formatting.point(axis.name, first)
        end = last if not axis.name.endswith("s") else formatting.point(axis.name, last)
        opening = f"From {start} to {end}, {where}"
        middle = f"{series.name} goes from {formatting.plus_minus(before)} to {formatting.plus_minus(after)}"
        sentences.append(Sentence((f"{opening}{middle}: ", _change(change, before.mean, after.mean), ".")))
    return tuple(sentences)


def _change(change: Effect, before: float, after: float) -> str:
    """Return words on how an effect changed, with the paired difference of its two ends."""
    estimate = change.estimate
    if estimate.n < 2:
        return "one seed, so no interval of the change"
    shown = f"{formatting.signed(estimate.mean, places := formatting.decimals(estimate.half))}"
    shown += f" ± {estimate.half:.{places}f}" if estimate.half > 0 else ""
    if estimate.low <= 0 <= estimate.high:
        return f"a change is not separated ({shown})"
    if before * after < 0:
        return f"it changes its sign ({shown})"
    return f"it {'shrinks' if abs(after) < abs(before) else 'grows'} ({shown})"


def diagnostics(results: Results, metric: str) -> pd.DataFrame:
    """Return the metric along each finished run, long: arm, seed_label, step, value; the run's end is its last step.

    Empty where no run was measured before its end.
    """
    frame = results.frame
    columns = ["arm", "seed_label", "step", "value"]
    if frame.empty:
        return pd.DataFrame(columns=columns)
    rows = frame[(frame["metric"] == metric) & (frame["status"] == "ok") & (frame["repeat"] == 0)]
    rows = rows[rows["arm"].isin(results.arms) & np.isfinite(rows["value"])]
    if not rows["step"].notna().any():
        return pd.DataFrame(columns=columns)
    step = pd.to_numeric(rows["step"]).fillna(pd.to_numeric(rows["training.steps"]))
    return rows.assign(step=step)[columns].sort_values(["arm", "seed_label", "step"], kind="stable")


def means_by_step(results: Results, metric: str) -> dict[str, pd.DataFrame]:
    """Return the metric of each arm along its training: mean, lowest and highest over the seeds, by step."""
    curves = diagnostics(results, metric)
    return {
        arm: of_arm.groupby("step")["value"].agg(["mean", "min", "max"])
        for arm in results.arms
        if len(of_arm := curves[curves["arm"] == arm])
    }


def level(results: Results, metric: str, name: str) -> float:
    """Return the level of a reference predictor; NaN where none was recorded."""
    values = results.values(f"{metric}_{name}").to_numpy(dtype=float).ravel().tolist()
    return mean_interval(values).mean
