"""Plan what a suite still lacks, and have it done. Launching is reconciliation: desired less recorded."""

from zigbench.launch.local import Event, available_workers, launch_local
from zigbench.launch.planning import RETRIABLE, Item, Plan, describe, plan

__all__ = ["RETRIABLE", "Event", "Item", "Plan", "available_workers", "describe", "launch_local", "plan"]
