"""Plan what a suite still lacks, and have it done. Launching is reconciliation: desired less recorded."""

from zigbench.launch.cancelling import cancel
from zigbench.launch.clusters import Cluster, cluster
from zigbench.launch.jobs import describe_job
from zigbench.launch.local import Event, available_workers, launch_local
from zigbench.launch.plan import RETRIABLE, Item, Plan, describe, plan
from zigbench.launch.reconcile import states
from zigbench.launch.retry import last_log
from zigbench.launch.slurm_status import UnreachableError
from zigbench.launch.submit import Submitted, launch_background, launch_slurm

__all__ = [
    "RETRIABLE",
    "Cluster",
    "Event",
    "Item",
    "Plan",
    "Submitted",
    "UnreachableError",
    "available_workers",
    "cancel",
    "cluster",
    "describe",
    "describe_job",
    "last_log",
    "launch_background",
    "launch_local",
    "launch_slurm",
    "plan",
    "states",
]  # fmt: skip
