"""Metrics along a training: what the averaged weights reach after some of its steps, as diagnostics."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zigbench.evaluation.context import SHOWN, EvaluationContext, process
from zigbench.evaluation.generation import save_array
from zigbench.evaluation.measure import measure_metrics
from zigbench.interpolant import Interpolant
from zigbench.records.folder import samples_file
from zigbench.records.record import Measurement
from zigbench.spec import RunSpec
from zigbench.spec.files import write_atomically

FILE = "learning_curve.json"
"""Measurements of each step in a run's folder, by step."""


@dataclass(frozen=True)
class LearningCurve:
    """The metrics of a run's averaged weights after the steps ``evaluation.at`` of its training.

    Each step's measurements are written to the run's folder at once, so a training that resumes behind a step still has
    them; one that passes a step again measures the same values again. Samples are drawn from the same noise as those of
    the finished network; all but the first :data:`SHOWN`, which the run's page shows, are deleted once they are
    measured. In a process group every process measures.

    For example, along a training::

        curve = LearningCurve(interpolant, data, spec, folder, cache)
        fit(..., measure_at=curve.steps, measure=curve.measure)
        curve.measurements()

    Args:
        interpolant, data, spec, folder, cache, device, on_progress, weights: as of
            :func:`zigbench.evaluation.measure.evaluate`.
    """

    interpolant: Interpolant
    data: Any
    spec: RunSpec
    folder: Path
    cache: Path
    device: torch.device | str = "cpu"
    on_progress: Callable[[int, int], None] | None = None
    weights: Mapping[str, Path] | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps after which to measure: those of the spec before the training's last, at which the run is evaluated."""
        if not self.spec.evaluation.metrics:
            return ()
        return tuple(step for step in self.spec.evaluation.at if step < self.spec.training.steps)

    def measure(self, step: int, model: torch.nn.Module) -> None:
        """Measure the metrics of the averaged weights after ``step`` steps.

        Args:
            step: one of :attr:`steps`.
            model: the network with these weights, in evaluation mode, on the device.
        """
        folder = self.folder / "learning_curve"
        context = EvaluationContext(
            model,
            self.interpolant,
            self.data,
            self.spec,
            folder=folder,
            cache=self.cache,
            device=self.device,
            on_progress=self.on_progress,
            weights=self.weights,
            step=step,
        )
        measurements = measure_metrics(context)
        samples = context.samples() if context.sample_count else None
        if process()[0] > 0:
            return
        if samples is not None and (shown := min(SHOWN, self.spec.evaluation.preview)):
            save_array(self.folder / samples_file(step), samples.images(0, min(shown, len(samples))).numpy())
        names = {metric.name for metric in context.metrics}
        body = {**self._read(), str(step): [m.model_dump(mode="json") for m in measurements if m.name in names]}
        write_atomically(self.folder / FILE, (json.dumps(body, ensure_ascii=False) + "\n").encode())
        shutil.rmtree(folder, ignore_errors=True)

    def measurements(self) -> tuple[Measurement, ...]:
        """Return the measurements of all steps so far, in their order."""
        body = self._read()
        return tuple(
            Measurement.model_validate({**figure, "step": step})
            for step in self.steps
            for figure in body.get(str(step), ())
        )

    def _read(self) -> dict[str, Any]:
        path = self.folder / FILE
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
