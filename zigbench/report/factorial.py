"""A factorial of curves and numbers of directions: effects of each factor, their interactions, and shares of variance.

The runs of a suite whose arms are scan orders of one network are read as the largest balanced grid curve × directions ×
seed that they hold. Every effect is computed within each seed, so its interval is one over seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zigbench.report import formatting, protocols
from zigbench.report.formatting import Sentence
from zigbench.report.results import Results
from zigbench.report.statistics import Estimate, holm, mean_interval, paired_p
from zigbench.report.table import Column, Entry, Table, finite

PAIRS = {
    "Locality": ("random", "raster"),
    "Continuity": ("raster", "zigzag"),
    "Locality in two dimensions": ("hilbert", "zigzag"),
    "The released Hilbert scan": ("hilbert-released", "hilbert"),
}
"""Properties of a curve, each with a curve without it, or with less of it, and one with it."""


@dataclass(frozen=True, eq=False)
class Factorial:
    """A balanced grid of results.

    Args:
        curves: names of the curves.
        directions: numbers of directions, ascending.
        seeds: labels of the seeds that every cell has.
        values: curve × directions × seed.
    """

    curves: tuple[str, ...]
    directions: tuple[int, ...]
    seeds: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class FactorEffect:
    """An effect of a factor, or of two: its value within each seed.

    Args:
        name: what it is an effect of.
        definition: the differences that it is the mean of.
        by_seed: its value within each seed.
    """

    name: str
    definition: str
    by_seed: tuple[float, ...]

    @property
    def estimate(self) -> Estimate:
        """Mean over the seeds with its 95 % interval."""
        return mean_interval(self.by_seed)


def factorial(results: Results, metric: str) -> Factorial | None:
    """Return the largest balanced grid of at least two curves, two numbers of directions and two seeds; else None."""
    if not protocols.rankable(results, metric):
        return None
    cells: dict[tuple[str, int], str] = {}
    for arm in results.arms:
        spec = results.by_arm[arm][0].cell.spec
        if spec.scan is not None:
            if (spec.scan.curve, spec.scan.schemes) in cells:
                return None  # Some other factor tells the arms apart.
            cells[spec.scan.curve, spec.scan.schemes] = arm
    networks = {results.by_arm[arm][0].cell.spec.backbone for arm in cells.values()}
    numbers = sorted({n for _, n in cells})
    if len(networks) != 1 or len(numbers) > 8:
        return None
    values = results.values(metric)
    measured = {cell for cell, arm in cells.items() if values.loc[arm].notna().sum() > 1}
    best: tuple[list[str], tuple[int, ...]] | None = None
    for size in range(2, len(numbers) + 1):
        for chosen in itertools.combinations(numbers, size):
            curves = [c for c in dict.fromkeys(c for c, _ in cells) if all((c, n) in measured for n in chosen)]
            if len(curves) > 1 and (best is None or len(curves) * size > len(best[0]) * len(best[1])):
                best = (curves, chosen)
    if best is None:
        return None
    curves, chosen = best
    of_grid = values.loc[[cells[c, n] for c in curves for n in chosen]].dropna(axis="columns")
    if of_grid.shape[1] < 2:
        return None
    cube = of_grid.to_numpy().reshape(len(curves), len(chosen), -1)
    return Factorial(tuple(curves), chosen, tuple(of_grid.columns), cube)


def factor_effects(grid: Factorial) -> tuple[FactorEffect, ...]:
    """Return the effects of the curves' properties and of the directions, then their interactions."""
    return (*_curve_effects(grid), *_direction_effects(grid), *_interactions(grid))


def _curve_effects(grid: Factorial) -> Iterator[FactorEffect]:
    over = f"over {_numbers(grid.directions)} directions"
    for name, (a, b) in _pairs(grid):
        difference = grid.values[grid.curves.index(a)] - grid.values[grid.curves.index(b)]
        yield FactorEffect(name, f"{a} − {b}, {over}", tuple(difference.mean(axis=0).tolist()))


def _direction_effects(grid: Factorial) -> Iterator[FactorEffect]:
    highest = grid.directions[-1]
    for position, number in enumerate(grid.directions[:-1]):
        difference = grid.values[:, position] - grid.values[:, -1]
        definition = f"{number} − {highest}, over {formatting.join(grid.curves)}"
        yield FactorEffect("Directions", definition, tuple(difference.mean(axis=0).tolist()))
    for curve, of_curve in zip(grid.curves, grid.values, strict=True):
        definition = f"{grid.directions[0]} − {highest} along {curve}"
        yield FactorEffect(f"Directions of {curve}", definition, tuple((of_curve[0] - of_curve[-1]).tolist()))


def _interactions(grid: Factorial) -> Iterator[FactorEffect]:
    lowest, highest = grid.directions[0], grid.directions[-1]
    for name, (a, b) in _pairs(grid):
        difference = grid.values[grid.curves.index(a)] - grid.values[grid.curves.index(b)]
        definition = f"{a} − {b}, with {highest} directions minus with {lowest}"
        yield FactorEffect(f"{name} × directions", definition, tuple((difference[-1] - difference[0]).tolist()))


def _pairs(grid: Factorial) -> list[tuple[str, tuple[str, str]]]:
    return [(name, pair) for name, pair in PAIRS.items() if set(pair) <= set(grid.curves)]


def _numbers(numbers: tuple[int, ...]) -> str:
    return formatting.join([str(number) for number in numbers])


@dataclass(frozen=True)
class VarianceShare:
    """One source's share of the variance between runs.

    Args:
        source: curve, directions, curve × directions, seed or rest.
        share: sum of squares over the total sum of squares.
        freedom: degrees of freedom.
        p: of no effect, by the F-test against the rest; NaN for the rest and where nothing is left over.
        f: the statistic.
    """

    source: str
    share: float
    freedom: int
    f: float
    p: float


def variance_shares(grid: Factorial) -> tuple[VarianceShare, ...]:
    """Return the analysis of variance of a balanced grid: two crossed factors, with seeds as blocks."""
    from scipy.special import fdtrc

    x = grid.values
    k, m, n = x.shape
    mean = x.mean()
    curve, number, cell = x.mean(axis=(1, 2)), x.mean(axis=(0, 2)), x.mean(axis=2)
    squares = {
        "curve": (m * n * float(((curve - mean) ** 2).sum()), k - 1),
        "directions": (k * n * float(((number - mean) ** 2).sum()), m - 1),
        "curve × directions": (
            n * float(((cell - curve[:, None] - number[None] + mean) ** 2).sum()),
            (k - 1) * (m - 1),
        ),
        "seed": (k * m * float(((x.mean(axis=(0, 1)) - mean) ** 2).sum()), n - 1),
    }
    total = float(((x - mean) ** 2).sum())
    left, freedom = total - sum(s for s, _ in squares.values()), (k * m - 1) * (n - 1)
    squares["rest"] = (max(left, 0.0), freedom)
    shares = []
    for source, (square, degrees) in squares.items():
        f = p = math.nan
        if source != "rest" and left > 1e-12 * total:
            f = square / degrees / (left / freedom)
            p = float(fdtrc(degrees, freedom, f))
        shares.append(VarianceShare(source, square / total if total else math.nan, degrees, f, p))
    return tuple(shares)


def factorial_tables(results: Results, metric: str) -> tuple[Table, ...]:
    """Return the tables of effects and of the analysis of variance; none without a balanced grid."""
    grid = factorial(results, metric)
    if grid is None:
        return ()
    ending = f"-{formatting.slug(results.data)}" if results.data else ""
    of = f", {results.data}" if results.data else ""
    size = (
        f"{len(grid.curves)} curves ({formatting.join(grid.curves)}) × {_numbers(grid.directions)} directions × "
        f"{formatting.seeds(grid.seeds)}, in {formatting.noun(metric)}"
    )
    effects = factor_effects(grid)
    p_values = [paired_p(effect.by_seed) for effect in effects]
    rows = []
    for effect, p, corrected in zip(effects, p_values, holm(p_values), strict=True):
        estimate = effect.estimate
        places = formatting.decimals(estimate.half) if estimate.half > 0 else None
        verdict = "separated" if corrected < 0.05 else "not separated"
        rows.append((
            Entry(effect.name), Entry(effect.definition),
            Entry(formatting.signed(estimate.mean, places), finite(estimate.mean), estimate=estimate),
            Entry(formatting.interval(estimate), finite(estimate.low)),
            Entry(formatting.p_value(p), finite(p)), Entry(formatting.p_value(corrected), finite(corrected)),
            Entry(verdict, mark="" if corrected < 0.05 else "quiet"),
        ))  # fmt: skip
    columns = (
        Column("Effect"), Column("Mean of"), Column("Difference", True), Column("95 % interval", True),
        Column("p", True), Column("p, Holm", True), Column("Verdict"),
    )  # fmt: skip
    notes = (
        f"{formatting.capitalized(size)}. Each effect is computed within each seed; interval and p are a t-test over "
        "the seeds. Holm's correction is over this table, which describes the factorial: the answer follows the "
        "suite's contrasts.",
    )
    table = Table(f"factorial{ending}", f"Effects of the factors{of}", columns, tuple(rows), notes)
    return table, _variance_table(grid, f"variance{ending}", f"Shares of the variance{of}", size)


def _variance_table(grid: Factorial, name: str, title: str, size: str) -> Table:
    rows = tuple(
        (
            Entry(formatting.capitalized(share.source)), Entry(formatting.percent(share.share), share.share),
            Entry(str(share.freedom), share.freedom),
            Entry(formatting.number(share.f, 3) if math.isfinite(share.f) else formatting.NONE, finite(share.f)),
            Entry(formatting.p_value(share.p), finite(share.p)),
        )
        for share in variance_shares(grid)
    )  # fmt: skip
    columns = (
        Column("Source"), Column("Share", True), Column("Degrees of freedom", True), Column("F", True),
        Column("p", True),
    )  # fmt: skip
    note = f"Analysis of variance of {size}: two crossed factors, seeds as blocks; F is against the rest."
    return Table(name, title, columns, rows, (note,))


def factorial_sentences(results: Results, metric: str) -> tuple[Sentence, ...]:
    """Return a sentence of the shares of the variance and one of the main effects; none without a balanced grid."""
    grid = factorial(results, metric)
    if grid is None:
        return ()
    where = f"On {results.data}, of" if results.data else "Of"
    shares = {share.source: formatting.percent(share.share, 0) for share in variance_shares(grid)}
    of_variance = Sentence((
        f"{where} the variance of {formatting.noun(metric)} over {len(grid.curves)} curves × "
        f"{_numbers(grid.directions)} directions × {formatting.seeds(grid.seeds)}, the curve has ", shares["curve"],
        ", the number of directions ", shares["directions"], ", the two together ", shares["curve × directions"],
        f"; seeds have {shares['seed']}, and {shares['rest']} is left.",
    ))  # fmt: skip
    described = [of_variance]
    main = [e for e in (*_curve_effects(grid), *_direction_effects(grid)) if e.name in PAIRS or e.name == "Directions"]
    lowest, highest = grid.directions[0], grid.directions[-1]
    openings = {
        "Effects, each over all levels of the other factor: ": main,
        f"Interactions, how much larger an effect is with {highest} directions than with {lowest}: ": [
            *_interactions(grid)
        ],
    }
    for opening, effects in openings.items():
        parts = [opening]
        for effect in effects:
            parts[-1] += f"{effect.name[:1].lower()}{effect.name[1:]} ({effect.definition.partition(',')[0]}) "
            parts += [formatting.difference(effect.estimate), "; "]
        parts[-1] = ", with 95 % intervals over seeds."
        if effects:
            described.append(Sentence(tuple(parts)))
    return tuple(described)
