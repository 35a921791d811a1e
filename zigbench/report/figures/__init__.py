"""Figures as pure functions: values in, a :class:`Drawing` (matplotlib Figure and its words) out.

Hence a figure need not be drawn again where its values are those of the last report: see :mod:`.asked`.
"""

from zigbench.report.figures.asked import Asked, NoFigureError, Picture, ask, pictured
from zigbench.report.figures.clips import animated, moving
from zigbench.report.figures.drawing import Drawing, inline_svg, save
from zigbench.report.figures.effects import critical_difference, forest
from zigbench.report.figures.fields import reach, receptive_fields
from zigbench.report.figures.heatmap import heatmap
from zigbench.report.figures.images import film, sample_grid, scan_orders, strip
from zigbench.report.figures.ratios import ratios
from zigbench.report.figures.speed import panels, roofline
from zigbench.report.figures.training import loss_curves
from zigbench.report.figures.trends import Point, lines, pareto, scaling, scatter

__all__ = [
    "Asked",
    "Drawing",
    "NoFigureError",
    "Picture",
    "Point",
    "animated",
    "ask",
    "critical_difference",
    "film",
    "forest",
    "heatmap",
    "inline_svg",
    "lines",
    "loss_curves",
    "moving",
    "panels",
    "pareto",
    "pictured",
    "ratios",
    "reach",
    "receptive_fields",
    "roofline",
    "sample_grid",
    "save",
    "scaling",
    "scan_orders",
    "scatter",
    "strip",
]
