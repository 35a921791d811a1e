"""What a network costs on a device: time, memory by kind, operations and traffic, against what the device can do."""

from zigbench.efficiency.fitting import DoesNotFitError
from zigbench.efficiency.measure import measure

__all__ = ["DoesNotFitError", "measure"]
