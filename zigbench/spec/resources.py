"""The resources of a run: they do not change its result, so they are not part of its identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from zigbench.spec.base import Positive, Spec
from zigbench.spec.faults import read


class Resources(Spec):
    """The resources of a run.

    Args:
        gpus: GPUs a node.
        cpus: cores a process.
        memory_gb: memory a node.
        hours: time limit of one job; a longer run continues in the next job.
        partition: of a cluster; None for the profile's, or the cluster's own.
        nodes: nodes that train the run together.
        tasks: processes a node; None for one a GPU, or one where there is none.
        exclusive: use the node alone, in a separate process that is ended after ``hours``: for timed runs.
    """

    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Positive = 1
    memory_gb: Annotated[float, Field(gt=0)] = 4.0
    hours: Annotated[float, Field(gt=0)] = 1.0
    partition: str | None = None
    nodes: Positive = 1
    tasks: Positive | None = None
    exclusive: bool = False

    @property
    def processes(self) -> int:
        """Processes a node."""
        return self.tasks or max(1, self.gpus)

    def override(self, changes: Mapping[str, Any]) -> Resources:
        """Return a copy with some of the fields changed.

        Raises:
            SpecError: lists every fault, with paths that begin with ``resources``.
        """
        if not changes:
            return self
        return read(Resources, {**self.model_dump(), **changes}, at="resources")
