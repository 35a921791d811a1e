"""Two kinds of seeds: the variance that training a network again brings, and that of sampling from it again.

With K sets of samples of each of S networks of an arm, a figure is y_ij = μ + a_i + e_ij, a_i of the training with the
variance σ_t², e_ij of the sampling with σ_g². The mean squares between and within networks have the expectations
K σ_t² + σ_g² and σ_g²: the one-way random-effects analysis of variance; Searle, Casella and McCulloch, "Variance
components" (1992), chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zigbench.report import formatting
from zigbench.report.results import Results
from zigbench.report.statistics import t_quantile
from zigbench.report.table import Column, Entry, Table
from zigbench.spec import registry


@dataclass(frozen=True)
class Components:
    """The variances of a figure of one set of samples.

    Attributes:
        training: that of training again, at least 0.
        generation: that of sampling again.
        share: 95 % interval of the training's share of their sum; (NaN, NaN) without variance.
        networks, sets: number of networks, and of sets of each.
    """

    training: float
    generation: float
    share: tuple[float, float]
    networks: int
    sets: int

    @property
    def training_share(self) -> float:
        """The share of the variance that is the training's; NaN where there is no variance."""
        whole = self.training + self.generation
        return self.training / whole if whole > 0 else math.nan

    @property
    def floor(self) -> float:
        """The difference of two arms' means of as many networks and sets below which nothing can be claimed at 5 %."""
        variance = 2 * (self.training + self.generation / self.sets) / self.networks
        return t_quantile(2 * (self.networks - 1)) * math.sqrt(variance)


def components(figures: Sequence[Sequence[float]]) -> Components | None:
    """Return the variances of figures, a row a network and a column a set; None for fewer than two of either."""
    table = np.asarray(figures, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        return None
    networks, sets = table.shape
    between = sets * float(table.mean(1).var(ddof=1))
    within = float(table.var(axis=1, ddof=1).mean())
    training = max(0.0, (between - within) / sets)
    return Components(training, within, _share(between, within, networks, sets), networks, sets)


def _share(between: float, within: float, networks: int, sets: int) -> tuple[float, float]:
    """Return the exact 95 % interval of the share, from that of the ratio of the mean squares."""
    from scipy.special import fdtri  # Slow to import.

    if within == 0:
        return (1.0, 1.0) if between > 0 else (math.nan, math.nan)
    ratio, freedom = between / within, (networks - 1, networks * (sets - 1))
    low, high = (ratio / float(fdtri(*freedom, level)) for level in (0.975, 0.025))
    return max(0.0, (low - 1) / (low + sets - 1)), max(0.0, (high - 1) / (high + sets - 1))


def reads_samples(metric: str) -> bool:
    """Return whether a figure is of samples."""
    return metric in registry.metrics.names() and registry.metrics.get(metric).reads_samples


def figures_of_sets(results: Results, metric: str) -> Mapping[str, list[Sequence[float]]]:
    """Return the figures of each set of samples, a row a network, by arm; only networks with several sets."""
    if not reads_samples(metric):
        return {}  # The ``samples`` of other figures are something else.
    sets = {run.id: run.cell.spec.evaluation.sample_sets for run in results.runs}
    by_arm: dict[str, list[Sequence[float]]] = {arm: [] for arm in results.arms}
    table = results.rows(metric)
    for run, arm, values in zip(table["run"], table["arm"], table["samples"], strict=True):
        if arm in by_arm and sets[run] > 1 and len(values) == sets[run]:
            by_arm[arm].append(values)
    return {arm: rows for arm, rows in by_arm.items() if rows}


def variance_table(results: Results) -> Table | None:
    """Return the variances of each arm and metric of samples; None where no network has several sets of samples."""
    rows = []
    for metric in (*results.metrics, *results.further_metrics):
        for arm, figures in figures_of_sets(results, metric).items():
            variances = components(figures)
            if variances is not None:
                rows.append((Entry(formatting.title(metric)), Entry(arm), *_entries(variances)))
    if not rows:
        return None
    of_figures = ("Networks × sets", "Training again", "Sampling again", "Share of training", "Noise floor")
    columns = (Column("Metric"), Column("Arm"), *(Column(title, True) for title in of_figures))
    notes = (
        "Standard deviations of the figure of one set of samples: when a network is trained anew with another seed, "
        "and when another set of samples is drawn from it. The share is the training's of the whole variance, with its "
        "95 % interval.",
        "Below the noise floor nothing can be claimed of two arms with as many networks and sets: a difference of "
        "their means that large separates them at 5 %. Pairs of the same seed may separate smaller ones.",
    )
    name, title = "variance", "Two kinds of seeds"
    if results.data:
        name, title = f"{name}-{formatting.slug(results.data)}", f"{title}, {results.data}"
    return Table(name, title, columns, tuple(rows), notes)


def _entries(of: Components) -> tuple[Entry, ...]:
    training, generation = math.sqrt(of.training), math.sqrt(of.generation)
    share = of.training_share
    shown = formatting.NONE if math.isnan(share) else f"{share:.0%} ({of.share[0]:.0%} to {of.share[1]:.0%})"
    return (
        Entry(f"{of.networks} × {of.sets}", of.networks * of.sets),
        Entry(formatting.number(training), training),
        Entry(formatting.number(generation), generation),
        Entry(shown, share),
        Entry(formatting.number(of.floor), of.floor),
    )
