"""A training that goes on where a shorter one ended: it takes over the other's last checkpoint, logs and diagnostics.

Where the learning rate stays, every step of a training is a function of the seed, its number and the state before it,
whatever the number of steps in all: the longer training then ends with the same bits as one that did all of its steps.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zigbench.evaluation.learning_curve import FILE
from zigbench.records.folder import RunFolder, samples_file
from zigbench.records.record import Record
from zigbench.runs.weights import CHECKPOINTS
from zigbench.spec import RunSpec, TrainingRun
from zigbench.spec.base import identity
from zigbench.spec.files import write_atomically
from zigbench.spec.overrides import flatten
from zigbench.training.checkpoints import CheckpointManager

FREE = ("training.steps", "evaluation.", "sampler.")
"""Keys in which the two may differ; what is measured along the way, in ``training.steps`` alone."""


def take_over(spec: TrainingRun, folder: RunFolder, other: RunFolder) -> None:
    """Give a run that extends another the other's last state, unless it has a checkpoint of its own.

    Args:
        spec: of the run.
        folder: of the run.
        other: folder of the run that it extends, which is done.

    Raises:
        ValueError: the two differ in more than their length, the other is not shorter by a tenth of all steps, it has
            not measured the steps of ``evaluation.at`` that it passed, or its checkpoint is missing.
        OSError: the run's folder can't be written.
    """
    checkpoints = CheckpointManager(folder.path / CHECKPOINTS)
    if checkpoints.steps():
        return
    shorter = other.read_spec()
    _check(spec, shorter)
    checkpoint = CheckpointManager(other.path / CHECKPOINTS).newest()
    if checkpoint is None or checkpoint.step != shorter.training.steps:
        raise ValueError(f"training.extends: {other.path} has no checkpoint after its last step")
    diagnostics = _diagnostics(spec, shorter, other)
    lengths = []
    for name, length in zip(("log.jsonl", "telemetry.jsonl"), checkpoint.state["lengths"], strict=True):
        content = (other.path / name).read_bytes()[:length]
        write_atomically(folder.path / name, content, durable=False)
        lengths.append(len(content))
    if diagnostics:
        write_atomically(folder.path / FILE, (json.dumps(diagnostics, ensure_ascii=False) + "\n").encode())
        for step in map(int, diagnostics):
            drawn = other.path / ("samples.npy" if step == checkpoint.step else samples_file(step))
            if drawn.exists():
                shutil.copyfile(drawn, folder.path / samples_file(step))
    # The mean loss of the last tenth is of the longer training's last tenth.
    progress = {**checkpoint.state["progress"], "steps": spec.training.steps, "tail": [0.0, 0]}
    state = {**checkpoint.state, "progress": progress, "lengths": lengths}
    training = identity(type(spec.training), spec.training.model_dump(mode="json"))
    checkpoints.save(replace(checkpoint, facts={**checkpoint.facts, "training": training}, state=state))


def _check(spec: TrainingRun, shorter: RunSpec) -> None:
    """Raise ValueError where a training is not a longer one of the same run."""
    here, there = (flatten(identity(type(one), one.resolved())) for one in (spec, shorter))
    unlike = [
        f"{key} is {here.get(key)}, there {there.get(key)}"
        for key in dict.fromkeys((*here, *there))
        if here.get(key) != there.get(key) and not key.startswith(FREE)
    ]
    if unlike:
        raise ValueError(
            f"training.extends: run {shorter.id} is not a shorter training of this run: {'; '.join(unlike)}"
        )
    done, steps = shorter.training.steps, spec.training.steps
    limit = steps - max(1, steps // 10)
    if done > limit:
        raise ValueError(
            f"training.extends: run {shorter.id} has {done} of the {steps} steps; it may have {limit} at most, as the "
            "training loss is the mean of the last tenth"
        )


def _diagnostics(spec: TrainingRun, shorter: RunSpec, other: RunFolder) -> Mapping[str, Any]:
    """Return what the shorter training measured at the steps of ``evaluation.at`` that it passed, by step."""
    done = shorter.training.steps
    passed = [step for step in spec.evaluation.at if step <= done] if spec.evaluation.metrics else []
    if not passed:
        return {}
    here, there = (
        {key: value for key, value in flatten(one.resolved()).items() if key.startswith(("evaluation.", "sampler."))}
        for one in (spec, shorter)
    )
    unlike = sorted(key for key in here | there if here.get(key) != there.get(key) and key != "evaluation.at")
    path = other.path / FILE
    measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    # At its end it was measured as it would be in passing: with the same metrics, from the same noise.
    of_end = [m for m in Record.read(other.record).measurements if m.name in spec.evaluation.metrics and m.step is None]
    measured[str(done)] = [m.model_dump(mode="json") for m in of_end]
    missing = [step for step in passed if not measured.get(str(step))]
    if unlike or missing:
        reason = f"differs in {', '.join(unlike)}" if unlike else f"has not measured step {missing[0]}"
        raise ValueError(
            f"training.extends: run {shorter.id} {reason}, and evaluation.at wants what it measured; leave the steps "
            f"up to {done} out of evaluation.at"
        )
    return {str(step): measured[str(step)] for step in passed}
