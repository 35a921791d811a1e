"""The cost of a network on a device: time, memory by kind, operations and traffic, against the device's ceilings."""

from zigbench.efficiency.largest_batch import DoesNotFitError
from zigbench.efficiency.measure import measure

__all__ = ["DoesNotFitError", "measure"]
