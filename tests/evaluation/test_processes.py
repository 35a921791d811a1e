"""Several processes evaluate one network together and find what one alone finds."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

from tests.support.processes import Fork
from zigbench.evaluation.measure import evaluate
from zigbench.interpolant import Interpolant


def test_two_processes_make_the_samples_of_one(network, digits, make_spec, tmp_path: Path, cache) -> None:
    spec = make_spec(evaluation__metrics=["frechet_random"], evaluation__samples=600, evaluation__batch=50)
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()

    def member(rank: int) -> None:
        meet = f"file://{together}/meet"
        torch.distributed.init_process_group("gloo", init_method=meet, rank=rank, world_size=2)
        found = evaluate(network, Interpolant(), digits, spec, folder=together, cache=together / "cache")
        sys.stdout.write(str([(measurement.name, measurement.value) for measurement in found]))
        torch.distributed.destroy_process_group()

    ended = [fork.wait() for fork in [Fork(partial(member, rank)) for rank in range(2)]]
    assert [one.returncode for one in ended] == [0, 0], ended
    found = evaluate(network, Interpolant(), digits, spec, folder=alone, cache=cache)
    assert [one.stdout for one in ended] == [
        str([(measurement.name, measurement.value) for measurement in found]),
        "[]",
    ]
    shards = sorted(path.name for path in (alone / "samples").glob("*.npy"))
    assert len(shards) == 3
    for name in shards:
        assert np.array_equal(np.load(alone / "samples" / name), np.load(together / "samples" / name))
