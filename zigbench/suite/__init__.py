"""A suite: one question, and the runs that answer it, as data.

A suite is a base spec and axes. Each axis is a list of labelled points, and a point overrides dotted keys of the base;
the runs are the product of the axes, without the excluded ones. Runs belong to no suite: two suites with the same spec
share its record.
"""

from zigbench.suite.definition import (
    Axis,
    Cells,
    Choice,
    Contrast,
    Interaction,
    Profile,
    ReleasedFile,
    RunOf,
    Suite,
    grid,
    load,
    zipped,
)
from zigbench.suite.expansion import Cell, expand
from zigbench.suite.variants import add_arm, override

__all__ = [
    "Axis",
    "Cell",
    "Cells",
    "Choice",
    "Contrast",
    "Interaction",
    "Profile",
    "ReleasedFile",
    "RunOf",
    "Suite",
    "add_arm",
    "expand",
    "grid",
    "load",
    "override",
    "zipped",
]
