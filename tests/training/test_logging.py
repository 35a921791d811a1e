"""Laws of the logs of a training: exact to resume, and never stopped by a sink."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.conftest import train
from tests.training.test_trainer import weights
from zigbench.training.logging import SINKS, JsonLines, read_lines


def test_tensorboard_gets_the_log(tmp_path):
    train(tmp_path, steps=3, sinks=("tensorboard",))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3]


def test_tensorboard_forgets_the_steps_that_are_done_again(tmp_path):
    for first, loss in ((0, 1.0), (4, 2.0)):
        sink = SINKS["tensorboard"](tmp_path, first)
        for step in range(first + 2, first + 7, 2):
            sink.write(step, {"loss": loss})
        sink.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    values = [(event.step, event.value) for event in events.Scalars("loss")]
    assert values == [(2, 1.0), (4, 1.0), (6, 2.0), (8, 2.0), (10, 2.0)]


class Faulty:
    """A sink that takes one line and then breaks."""

    def __init__(self, folder, step) -> None:
        self.count = 0

    def write(self, step, figures) -> None:
        self.count += 1
        if self.count > 1:
            raise ConnectionError("the service is gone")

    def close(self) -> None:
        raise AssertionError("closed though it failed")


def test_a_failing_sink_is_reported_once_and_stops_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(SINKS, "wandb", Faulty)
    with caplog.at_level(logging.WARNING):
        result = train(tmp_path, steps=5, sinks=("wandb",))
    assert result.step == 5
    assert caplog.text.count("the service is gone") == 1
    assert torch.equal(weights(result.model), weights(train(tmp_path / "b", steps=5).model))


def test_a_log_is_cut_back_and_a_shorter_one_is_an_error(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = JsonLines(path)
    lines.write({"step": 1})
    length = lines.sync()
    lines.write({"step": 2})
    lines.close()
    with open(path, "ab") as file:
        file.write(b'{"step": 3, "lo')
    assert [line["step"] for line in read_lines(path)] == [1, 2]
    lines = JsonLines(path, length)
    lines.write({"step": 4})
    lines.close()
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 4]
    with pytest.raises(ValueError, match="it was cut; delete the run's folder"):
        JsonLines(path, 10_000)
