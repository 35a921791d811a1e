"""Solvers held against closed forms: how fast each converges, and that no combination leaves the finite numbers.

Both are computed when the documentation is built, on Gaussians, whose fields are known.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import torch
from support.convergence import Point, convergence, order
from support.gaussian_mixture import GaussianMixture
from support.sampler_combinations import product
from support.sampler_combinations import table as finite

from generate.words import code, table
from zigbench.interpolant import Interpolant
from zigbench.report.figures.drawing import canvas, plain_log_ticks, series_style, style
from zigbench.sampling import SOLVERS, Sampler
from zigbench.spec.solvers import SOLVERS as TABLE

STEPS = (4, 8, 16, 32, 64, 128, 256)
MARKERS = "osD^vP*Xph<>"


def orders() -> str:
    """Error against network evaluations for every fixed-step solver on the straight path, drawn and tabled."""
    points_by_solver: dict[str, tuple[Point, ...]] = {}
    for name in SOLVERS:
        solver = TABLE[name]
        if solver.evaluations is not None:
            # The last step of a stochastic solver would otherwise be one without noise, of another order.
            options = {"last_step": "none"} if "last_step" in solver.options else {}
            points_by_solver[name] = convergence(Sampler(solver=name, **options), Interpolant("linear"), STEPS)
    rows = (
        (code(solver), f"{order(points[-3:]):.2f}", *(f"{point.error:.1e}" for point in points))
        for solver, points in points_by_solver.items()
    )
    heads = ("solver", "order:", *(f"{count} steps:" for count in STEPS))
    return f"{_drawing(points_by_solver)}\n\n{table(heads, rows)}"


def _drawing(points_by_solver: Mapping[str, Sequence[Point]]) -> str:
    with style():
        figure = canvas(7.2, 3.8)
        axes = figure.add_axes((0.11, 0.14, 0.6, 0.82))
        for position, (solver, points) in enumerate(points_by_solver.items()):
            evaluations, errors = [point.evaluations for point in points], [point.error for point in points]
            marker = MARKERS[position % len(MARKERS)]
            axes.loglog(evaluations, errors, marker=marker, markersize=4, label=solver, **series_style(position))
        axes.set_xlabel("Network evaluations")
        axes.set_ylabel("Error")
        axes.grid(True)
        plain_log_ticks(axes, "x")
        plain_log_ticks(axes, "y")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
        picture = io.StringIO()
        figure.savefig(picture, format="svg")
    svg = picture.getvalue()
    words = "Error against network evaluations of every fixed-step solver; the table below has the same numbers."
    inside = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{words}"', 1)
    return f"```{{raw}} html\n<figure>{inside}</figure>\n```"


def every_combination() -> str:
    """Finite samples out of all, over diffusion forms and last steps, from end to end of every path."""
    gaussian = GaussianMixture.single(torch.full((1, 1, 1), 0.7), 0.4)
    noise = torch.randn(2, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    rows = finite(product(gaussian.model, noise, dtypes=[torch.float32]))
    lines = ((code(path), code(prediction), *shares.values()) for (path, prediction), shares in rows.items())
    solvers = next(iter(rows.values()))
    return table(("path", "prediction", *(f"{code(solver)}:" for solver in solvers)), lines)
