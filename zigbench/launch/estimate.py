"""The time of trainings before any was measured: from their operations, their exponentials and their traffic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zigbench.spec import Cost, RunSpec
from zigbench.spec.solvers import SOLVERS

MATRIX_FLOPS, EXPONENTIALS, BYTES = 312e12, 2.4e12, 2.0e12
"""Of an A100 with 80 GB, a second: dense half-precision products, exponentials, bytes to and from memory.

The first and last are those of its data sheet; 108 multiprocessors start 16 exponentials a clock at 1.41 GHz.
"""

SHARE = 0.25
"""Share of these rates that a training is taken to reach."""

FORWARD, TRAINING = (1, 1, 1), (3, 2, 3)
"""Operations, exponentials and traffic of a forward pass, and of one with its backward pass, in forward passes."""

ADAPTIVE = 100
"""Network evaluations that an adaptive solver is taken to need for a sample."""

ASSUMED = "estimated for A100 GPUs at a quarter of their rated speed, not measured"


def gpu_hours(specs: Iterable[RunSpec]) -> float | None:
    """Return the GPU-hours of trainings with their evaluations; None where a network's cost is not declared."""
    each = _hours_of_each(specs)
    return None if each is None else sum(each)


def relative_times(specs: Sequence[RunSpec]) -> list[float]:
    """Return the expected time of each run over that of the mean run.

    They are equal where the runs are not trainings, or where a network's cost is not declared.
    """
    each = _hours_of_each(specs) if all(spec.task == "train" for spec in specs) else None
    mean = sum(each) / len(each) if each else 0.0
    return [hours / mean for hours in each] if each and mean else [1.0] * len(specs)


def _hours_of_each(specs: Iterable[RunSpec]) -> list[float] | None:
    known: dict[object, float | None] = {}
    each = []
    for spec in specs:
        # Runs of a suite share the objects of equal sections.
        sections = (spec.backbone, spec.data, spec.training, spec.evaluation, spec.sampler)
        key = (*map(id, sections), repr(spec.scan), spec.position)
        if key not in known:
            known[key] = _hours(spec)
        if (hours := known[key]) is None:
            return None
        each.append(hours)
    return each


def _hours(spec: RunSpec) -> float | None:
    cost = spec.cost(spec.geometry)
    if cost is None:
        return None
    seconds = spec.training.steps * spec.training.batch * _seconds(cost, TRAINING)
    further = spec.objective_config.further_evaluations
    seconds += spec.training.steps * spec.training.batch * further * _seconds(cost, FORWARD)
    solver = SOLVERS[spec.sampler.solver]
    corrections = spec.sampler.corrections or solver.corrections
    each = ADAPTIVE if solver.evaluations is None else (solver.evaluations + corrections) * spec.sampler.steps
    times = 1 + sum(step < spec.training.steps for step in spec.evaluation.at)
    seconds += times * spec.evaluation.samples * each * _seconds(cost, FORWARD)
    return seconds / 3600


def _seconds(cost: Cost, times: tuple[int, int, int]) -> float:
    work = (cost.matrix_flops / MATRIX_FLOPS, cost.exponentials / EXPONENTIALS, 2 * cost.values / BYTES)
    return sum(n * seconds for n, seconds in zip(times, work, strict=True)) / SHARE
