"""Several processes evaluate one network together and find what one alone finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from zigbench.evaluation.measure import evaluate
from zigbench.interpolant import Interpolant

MEMBER = """
import sys
from pathlib import Path
import torch, torch.distributed as dist
sys.path.insert(0, sys.argv[1])
from conftest import Digits, DigitsConfig, PixelNetwork
from zigbench.evaluation.measure import evaluate
from zigbench.interpolant import Interpolant
from zigbench.spec import RunSpec

dist.init_process_group("gloo", init_method="file://" + sys.argv[2] + "/meet", rank=int(sys.argv[3]), world_size=2)
folder = Path(sys.argv[2])
network = PixelNetwork()
network.load_state_dict(torch.load(folder / "network.pt"))
spec = RunSpec.model_validate_json((folder / "spec.json").read_text())
found = evaluate(network, Interpolant(), Digits(DigitsConfig()), spec, folder=folder, cache=folder / "cache")
print([(measurement.name, measurement.value) for measurement in found])
dist.destroy_process_group()
"""


def test_two_processes_make_the_samples_of_one(network, digits, make_spec, tmp_path: Path, cache) -> None:
    spec = make_spec(evaluation__metrics=["frechet_random"], evaluation__samples=600, evaluation__batch=50)
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    torch.save(network.state_dict(), together / "network.pt")
    (together / "spec.json").write_text(spec.model_dump_json(exclude_none=True))
    here = str(Path(__file__).parent)
    members = [
        subprocess.Popen(
            [sys.executable, "-c", MEMBER, here, str(together), str(rank)], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    printed = [member.communicate()[0].strip() for member in members]
    assert [member.returncode for member in members] == [0, 0]
    found = evaluate(network, Interpolant(), digits, spec, folder=alone, cache=cache)
    assert printed == [str([(measurement.name, measurement.value) for measurement in found]), "[]"]
    shards = sorted(path.name for path in (alone / "samples").glob("*.npy"))
    assert len(shards) == 3
    for name in shards:
        assert np.array_equal(np.load(alone / "samples" / name), np.load(together / "samples" / name))
