"""Which figures a suite's results allow: results in, out what is to be drawn of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from zigbench import scan
from zigbench.report import fields, figures, formatting, results
from zigbench.report.figures import Asked, NoFigureError, Point, ask
from zigbench.report.results import SEED, Results, Run
from zigbench.report.speed import figures as speed_figures
from zigbench.report.statistics import Estimate, effects, friedman, mean_interval, within_seeds
from zigbench.suite import Axis


def estimates(found: Results, metric: str) -> dict[str, Estimate]:
    """Mean over seeds by arm, with the interval over seeds of the arm alone."""
    values = found.values(metric)
    return {arm: mean_interval(values.loc[arm]) for arm in found.arms}


def paired(found: Results, metric: str) -> dict[str, Estimate]:
    """Mean over seeds by arm, with the interval that is left when the seeds' common ups and downs are out."""
    return within_seeds(found.values(metric))


def _within(found: Results) -> str:
    """What the bars of :func:`paired` are."""
    block = formatting.block(found.seeds)
    return f"Bars: 95 % intervals within {block}s (Cousineau–Morey), the {block}s' common ups and downs taken out."


def forest(found: Results) -> Asked:
    """Effects against the baseline in the first metric."""
    pairs = found.against_baseline()
    if not pairs or not found.metrics:
        raise NoFigureError("there is no arm beside the baseline, or nothing measured")
    metric = found.metrics[0]
    drawn = effects(found.values(metric), pairs)
    if not any(effect.estimate.n for effect in drawn):
        raise NoFigureError(f"no arm shares a finished seed with the baseline {found.baseline}")
    return ask(figures.forest, drawn, metric, found.direction(metric))


def loss(found: Results) -> Asked:
    """Training loss with bands over seeds."""
    frame = results.logs(found)
    if frame.empty:
        raise NoFigureError("no run has a training log")
    return ask(figures.loss_curves, frame, found.arms)


def samples(found: Results) -> Asked:
    """Samples of the first seed of each arm that has any."""
    pictures, seed = sample_sets(found)
    if not pictures:
        raise NoFigureError("no run has kept samples")
    return ask(figures.sample_grid, pictures, seed)


def sample_sets(found: Results) -> tuple[dict[str, np.ndarray], str]:
    """Samples by arm, all from the one seed that most arms have (the first of equals), and that seed."""
    loaded = {(r.seed, r.arm): s for r in found.finished if (s := results.samples(r)) is not None}
    if not loaded:
        return {}, ""
    seeds = [seed for seed, _ in loaded]
    common = max(found.seeds, key=seeds.count)
    return {arm: loaded[common, arm] for arm in found.arms if (common, arm) in loaded}, common


def orders(found: Results) -> Asked:
    """Every curve of the suite as a picture, the scores of its arms below."""
    metric = found.metrics[0] if found.metrics else None
    scores = estimates(found, metric) if metric else {}
    by_curve: dict[str, tuple[scan.ScanOrder, list[str]]] = {}
    for arm, run in _first_runs(found).items():
        spec = run.cell.spec
        if spec.scan is None:
            continue
        order = scan.make_order(spec.scan.curve, spec.config.scan_grid(spec.geometry), 0, seed=0)
        continuity = scan.statistics(order)["continuity"]
        title = spec.scan.curve if len(order.grid) == 2 else f"{spec.scan.curve}, of clips"
        _, lines = by_curve.setdefault(title, (order, [f"continuity {continuity:.3f}"]))
        score = scores.get(arm)
        lines.append(f"{arm}: {formatting.plus_minus(score)}" if score is not None and score.n else f"{arm}: no result")
    if not by_curve:
        raise NoFigureError("no arm has a scan order")
    return ask(figures.scan_orders, by_curve)


def continuity(found: Results) -> Asked:
    """Score against the mean continuity of the directions that the network uses."""
    metric = _metric(found)
    scores = paired(found, metric)
    points = []
    for arm, run in _first_runs(found).items():
        spec = run.cell.spec
        if spec.scan is None:
            continue
        variants = range(min(spec.scan.schemes, scan.VARIANTS))
        each = [
            scan.statistics(scan.make_order(spec.scan.curve, spec.config.scan_grid(spec.geometry), v))["continuity"]
            for v in variants
        ]
        points.append(Point(arm, float(np.mean(each)), scores[arm]))
    _need(points, 2, "scan orders with a score")
    caption = (
        f"Continuity: mean, over the directions used, of the share of steps that go to a neighbour. {_within(found)}"
    )
    return ask(figures.scatter, points, "Continuity", metric, "continuity", caption=caption)


def schemes(found: Results) -> Asked:
    """Score against the number of directions, a line per curve."""
    metric = _metric(found)
    scores = paired(found, metric)
    series: dict[str, list[Point]] = {}
    for arm, run in _first_runs(found).items():
        if run.cell.spec.scan is not None:
            label = " · ".join([run.cell.spec.scan.curve, *_others(found, run, "scan")])
            series.setdefault(label, []).append(Point(arm, run.cell.spec.scan.schemes, scores[arm]))
    _need([p for points in series.values() for p in points], 2, "scan orders with a score")
    return ask(figures.lines, series, "Directions (schemes)", metric, "schemes", caption=_within(found))


def position_scan(found: Results) -> Asked:
    """The first metric over the suite's first two axes, as a grid."""
    metric = _metric(found)
    axes = [axis for axis in found.suite.axes if axis.name != SEED]
    if len(axes) != 2:
        raise NoFigureError(f"a grid needs two axes beside the seed; the suite has {len(axes)}")
    scores = estimates(found, metric)
    rows, columns = axes
    cells = {(r.cell.labels[rows.name], r.cell.labels[columns.name]): scores[r.arm] for r in found.runs}
    return ask(
        figures.heatmap,
        list(rows.points),
        list(columns.points),
        cells,
        metric,
        found.direction(metric),
        (rows.name, columns.name),
    )


def evaluations(found: Results) -> Asked:
    """Score against the network evaluations of one sample, a line per arm less its sampler."""
    metric = _metric(found)
    scores = paired(found, metric)
    measured = estimates(found, "network_evaluations") if "network_evaluations" in set(found.frame["metric"]) else {}
    series: dict[str, list[Point]] = {}
    for arm, run in _first_runs(found).items():
        sampler, known = run.cell.spec.sampler, measured.get(arm)
        count = known.mean if known is not None and known.n else sampler.network_evaluations
        if count is not None:
            label = " · ".join([sampler.solver, *_others(found, run, "sampler")])
            series.setdefault(label, []).append(Point(arm, float(count), scores[arm]))
    _need([p for points in series.values() for p in points], 2, "samplers with a known number of evaluations")
    caption = f"Network evaluations for one sample: as recorded, or as the solver's steps imply. {_within(found)}"
    return ask(figures.lines, series, "Network evaluations", metric, "evaluations", caption=caption)


def pareto(found: Results) -> Asked:
    """Score against the training time that the runs' telemetry tells."""
    metric = _metric(found)
    scores = paired(found, metric)
    points = []
    for arm, runs in found.by_arm.items():
        seconds = mean_interval([s for run in runs if run.status == "ok" and (s := training_seconds(run)) is not None])
        points.append(Point(arm, seconds.mean, scores[arm]))
    _need(points, 2, "arms with both a score and a training time")
    return ask(figures.pareto, points, "Training time (s)", metric, found.direction(metric) is True)


def scaling(found: Results, metric: str) -> Asked:
    """``metric`` against the number of patches, a fitted power law per arm less its grid."""
    scores = estimates(found, metric)
    series: dict[str, list[Point]] = {}
    for arm, run in _first_runs(found).items():
        labels = [label for axis, label in run.cell.labels.items() if axis != SEED]
        series.setdefault(labels[0] if labels else arm, []).append(
            Point(arm, run.cell.spec.geometry.tokens, scores[arm])
        )
    if not any(len({p.x for p in points if p.drawable}) > 1 for points in series.values()):
        raise NoFigureError("no arm was measured at two sizes")
    return ask(figures.scaling, series, "Patches", metric, f"scaling-{formatting.slug(metric)}", found.unit(metric))


def critical_difference(found: Results) -> Asked:
    """Mean ranks of the arms with Nemenyi's critical difference."""
    metric = _metric(found)
    try:
        ranking = friedman(found.values(metric).dropna(how="all"), found.direction(metric) is True)
    except ValueError as error:
        raise NoFigureError(str(error)) from None
    return ask(figures.critical_difference, ranking, metric)


STANDARD: Mapping[str, Callable[[Results], Asked]] = {
    "effects": forest,
    "loss": loss,
    "samples": samples,
    "orders": orders,
}
OPTIONAL: Mapping[str, Callable[[Results], Asked]] = {
    "continuity": continuity,
    "schemes": schemes,
    "position_scan": position_scan,
    "evaluations": evaluations,
    "pareto": pareto,
    "critical_difference": critical_difference,
    "reach": fields.reach,
    "receptive_fields": fields.receptive_fields,
    **speed_figures.FIGURES,
}


def draw(found: Results) -> tuple[dict[str, Asked], tuple[str, ...]]:
    """The standard figures and those the suite names, and in words why any of them is not there.

    Besides the names of OPTIONAL, ``scaling`` draws every metric of the suite against the number of patches.
    """
    drawn: dict[str, Asked] = {}
    missing = []
    # Where nothing is trained there are no curves and samples to miss; and speeds of unlike sizes make no forest.
    timed = bool(found.runs) and all(run.cell.spec.task == "efficiency" for run in found.runs)
    wanted = dict.fromkeys([*(STANDARD if not timed else ()), *found.suite.figures])
    for name in wanted:
        try:
            if name == "scaling":
                drawn |= {f"scaling-{metric}": scaling(found, metric) for metric in found.metrics}
            elif name in STANDARD or name in OPTIONAL:
                drawn[name] = {**STANDARD, **OPTIONAL}[name](found)
            else:
                known = ", ".join([*STANDARD, *OPTIONAL, "scaling"])
                missing.append(f"The suite asks for the figure “{name}”, which is not known (known: {known}).")
        except NoFigureError as error:
            missing.append(f"The figure “{name}” is not drawn: {error}.")
    return drawn, tuple(missing)


def training_seconds(run: Run) -> float | None:
    """Seconds of training the run's telemetry tells; sections of a resumed run are added up by their own clock."""
    lines = results.read_lines(run.files.read("telemetry.jsonl"))
    seconds = [line["seconds"] for line in lines if isinstance(line.get("seconds"), int | float)]
    return float(max(seconds)) if seconds and math.isfinite(max(seconds)) else None


def _first_runs(found: Results) -> dict[str, Run]:
    return {arm: runs[0] for arm, runs in found.by_arm.items()}


def _metric(found: Results) -> str:
    if not found.metrics:
        raise NoFigureError("nothing was measured")
    return found.metrics[0]


def _need(points: list[Point], count: int, what: str) -> None:
    have = sum(point.drawable for point in points)
    if have < count:
        raise NoFigureError(f"it needs {count} {what}; there are {have}")


def _others(found: Results, run: Run, part: str) -> list[str]:
    """Labels of the axes that do not move ``part`` of the spec: what stays the same along a line."""
    still = (axis for axis in found.suite.axes if axis.name != SEED and not _moves(axis, part))
    return [run.cell.labels[axis.name] for axis in still]


def _moves(axis: Axis, part: str) -> bool:
    return any(key.split(".")[0] == part for point in axis.points.values() for key in point)
