"""Figures as pure functions: values in, a :class:`Drawing` (a matplotlib Figure and its words) out.

A new figure is a drawing function and a registered function that makes a request for it, in one file::

    @figure("parameters")
    def parameters(results: Results) -> FigureRequest:
        \"\"\"Score over the number of parameters.\"\"\"
        return request(draw_parameters, values_of(results))
"""

from zigbench.report.figures.curves import curves_compared
from zigbench.report.figures.drawing import Drawing, inline_svg, save, save_as
from zigbench.report.figures.registry import (
    FigureRequest,
    NoFigureError,
    Picture,
    draw_all,
    figure,
    first_metric,
    request,
    start_drawing,
)

__all__ = [
    "Drawing",
    "FigureRequest",
    "NoFigureError",
    "Picture",
    "curves_compared",
    "draw_all",
    "figure",
    "first_metric",
    "inline_svg",
    "request",
    "save",
    "save_as",
    "start_drawing",
]
