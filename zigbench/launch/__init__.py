"""Launching is reconciliation: plan the missing runs of a suite, and run them on this machine or on SLURM."""

from zigbench.launch.clusters import Cluster, cluster
from zigbench.launch.job_notes import Job
from zigbench.launch.jobs import cancel, last_log, run_states, states
from zigbench.launch.local import Event, available_workers, launch_local
from zigbench.launch.plan import RETRIABLE, Item, Plan, describe, plan
from zigbench.launch.slurm_status import UnreachableError
from zigbench.launch.submit import Submitted, launch_background, launch_slurm

__all__ = [
    "RETRIABLE", "Cluster", "Event", "Item", "Job", "Plan", "Submitted", "UnreachableError", "available_workers",
    "cancel", "cluster", "describe", "last_log", "launch_background", "launch_local", "launch_slurm", "plan",
    "run_states", "states",
]  # fmt: skip
