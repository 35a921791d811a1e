"""Laws of sharing GPUs out: disjoint while they suffice, all used, the same for a worker that is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.launch import available_workers, launch_local, local, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell


@given(st.integers(0, 16), st.integers(1, 16), st.integers(0, 40))
def test_workers_have_devices_of_their_own(count, each, worker):
    devices = tuple(map(str, range(count)))
    workers = count // each
    shares = [local.share_gpus(devices, each, i) for i in range(workers)]
    taken = [device for share in shares for device in share]
    assert len(set(taken)) == len(taken) == workers * each
    # One too many shares with another, and one that asks for more than there is has them all.
    assert local.share_gpus(devices, each, worker) == (shares[worker % workers] if workers else devices)
    assert local.share_gpus(devices, 0, worker) == ()


@pytest.mark.parametrize(
    ("chosen", "found"),
    [("", ()), ("-1", ()), ("0", ("0",)), ("2, 5", ("2", "5")), ("GPU-4f,MIG-7a", ("GPU-4f", "MIG-7a"))],
)
def test_the_choice_made_for_this_process_is_heard(monkeypatch, chosen, found):
    monkeypatch.setenv(local.VISIBLE, chosen)
    assert local.visible_gpus() == found


def test_the_driver_counts_where_no_choice_is_made(monkeypatch, programs):
    monkeypatch.delenv(local.VISIBLE, raising=False)
    programs(
        **{"nvidia-smi": "echo 'GPU 0: H (UUID: GPU-1)'; echo '  MIG 1g: (UUID: M)'; echo 'GPU 1: H (UUID: GPU-2)'"}
    )
    assert local.visible_gpus() == ("0", "1")
    programs(**{"nvidia-smi": "echo 'no driver'; exit 9"})
    assert local.visible_gpus() == ()


def test_workers_are_bounded_by_gpus(monkeypatch):
    def most(chosen: str, **asked: float) -> int:
        monkeypatch.setenv(local.VISIBLE, chosen)
        return available_workers(Resources(memory_gb=0.001, **asked), 2)

    bound = most("", gpus=1)
    assert most("0,1", gpus=1) == bound
    assert most("0", gpus=1) == most("0,1,2", gpus=2) == most("0", gpus=8) == 1
    assert most("0", gpus=0) == bound


def test_a_worker_is_told_its_devices(tmp_path, tiny, monkeypatch):
    # No such device is here: the runs are computed on the CPU, by workers that were told all the same.
    monkeypatch.setenv(local.VISIBLE, "7,9")
    plugin = tmp_path / "telling.py"
    plugin.write_text(
        "import os\nfrom zigbench.spec.registry import backbones\nfrom zigbench.spec import BackboneConfig\n"
        "@backbones.register('telling')\nclass Config(BackboneConfig):\n    network = f'{__name__}:tell'\n"
        "def tell(config, geometry):\n    raise ValueError(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    monkeypatch.setenv("ZIGBENCH_PLUGINS", str(plugin))
    asked = Resources(gpus=1, cpus=1, memory_gb=1.0)
    cells = [Cell({}, RunSpec.parse({"backbone.name": "telling", "data.name": "digits", "seed": i})) for i in range(2)]
    root = tmp_path / "runs"
    for _ in launch_local(plan(cells, root), asked, root, workers=2):
        pass
    told = [Record.read(RunFolder.of(cell.spec, root).record).error.message for cell in cells]
    assert set(told) <= {"7", "9"}
