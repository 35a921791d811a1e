"""One cell measured: figures that hang together, and faults that are named."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from zigbench.backbone import Geometry, build_from, count_parameters
from zigbench.efficiency import DoesNotFitError, measure, memory
from zigbench.efficiency.limits import Ceilings, counted_flops
from zigbench.efficiency.measure import _measure_once, load_kernels, scaled
from zigbench.efficiency.subject import Subject
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.spec import NetworkSpec, RunSpec
from zigbench.spec.registry import backbones, load_object

CPU = torch.device("cpu")
TINY = {
    "task": "efficiency",
    "data": {"name": "shape", "config": {"channels": 2, "height": 6, "width": 4}},
    "backbone": {"name": "zigma", "config": {"width": 16, "depth": 2}},
    "efficiency.seconds": 1e-3,
    "sampler": {"solver": "heun", "steps": 3},
}


def spec(**changes: object) -> RunSpec:
    return RunSpec.parse({**TINY, **{key.replace("__", "."): value for key, value in changes.items()}})


def figures(asked: RunSpec) -> tuple[dict[str, float], dict[str, object]]:
    facts: dict[str, object] = {}
    return {m.name: m for m in measure(asked, CPU, facts=facts)}, facts


def test_recomputed_activations_change_no_gradient_and_are_of_trainings_alone():
    changes = {"efficiency__mode": "training", "efficiency__batch": 2}
    plain, again = (
        Subject.build(spec(**changes, efficiency__activation_checkpointing=on), CPU).results() for on in (False, True)
    )
    for name, tensors in plain.items():
        for a, b in zip(tensors, again[name], strict=True):
            torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="activation_checkpointing is for training"):
        spec(efficiency__activation_checkpointing=True)


@pytest.mark.parametrize("mode", ["inference", "training", "sampling"])
def test_the_figures_of_a_cell_hang_together(mode):
    asked = spec(efficiency__mode=mode, efficiency__batch=2)
    found, facts = figures(asked)
    value = {name: m.value for name, m in found.items()}
    network = build_from(asked, asked.geometry)
    assert value["patches"] == 24
    assert value["kernel_load"] >= 0
    assert value["parameters"] == count_parameters(network)
    assert value["memory_parameters"] == 4 * value["parameters"]
    assert value["fps"] * value["latency"] == pytest.approx(2)
    low, high = found["fps"].interval
    assert low <= value["fps"] <= high
    assert not any(c.isdigit() for c in found["fps"].note)  # A page tells a note once, of however many calls.
    assert len(found["fps"].samples) == facts["timing"]["repeats"] >= 3
    training = mode == "training"
    # A kernel may leave its gradients in a little more than they need.
    assert training <= value["memory_gradients"] / value["memory_parameters"] <= 1.1 * training
    assert value["memory_optimizer"] >= training * 2 * value["memory_parameters"]
    assert value["memory_allocated"] > value["memory_parameters"] + value["memory_optimizer"]
    forward = asked.cost(asked.geometry, batch=2).flops
    calls = {"inference": 1, "training": 3, "sampling": 6}[mode]
    assert value["flops"] == calls * forward
    assert value["flops_matrix"] == calls * asked.cost(asked.geometry, batch=2).matrix_flops
    assert value["flops_counted"] == pytest.approx(value["flops"], rel=0.02)
    assert value["flop_rate"] == pytest.approx(value["flops"] / value["latency"])
    assert value["roofline_share"] > 0
    assert value.get("evaluations") == (6 if mode == "sampling" else None)
    assert bool(value["disturbed"]) == bool(facts["timing"]["disturbed"]) == bool(found["disturbed"].note)


def test_a_network_of_intervals_is_timed_as_its_solver_calls_it():
    jumps = {"objective__name": "mean-flow", "sampler__solver": "mean-flow", "backbone__config__times": 2}
    for mode, count in (("inference", None), ("sampling", 3)):
        found, _ = figures(spec(efficiency__mode=mode, **jumps))
        assert found["fps"].value > 0
        assert (None if count is None else found["evaluations"].value) == count


def test_half_precision_halves_the_weights():
    found, _ = figures(spec(efficiency__precision="bfloat16"))
    assert found["memory_parameters"].value == 2 * found["parameters"].value


@pytest.mark.parametrize("name", backbones.names())
def test_the_network_s_own_kernels_are_counted_for_every_family(name):
    network = NetworkSpec.of(name, width=16, depth=4)
    images, clips = Geometry(2, 4, 6, 2, classes=3), Geometry(2, 4, 6, 2, frames=3, classes=3)
    geometry = clips if any(network.faults(images)) else images
    assert counted_flops(network, geometry, batch=2, backward=False) == network.cost(geometry, batch=2).flops


def test_what_does_not_fit_says_so_and_what_does():
    def takes(batch: int) -> float:
        found, _ = figures(spec(efficiency__batch=batch, efficiency__mode="training"))
        return found["memory_allocated"].value / 2**30

    limit = (takes(5) + takes(6)) / 2
    with pytest.raises(DoesNotFitError, match="does not fit, > ") as told:
        figures(
            spec(
                efficiency__batch=16,
                efficiency__mode="training",
                efficiency__memory_gb=limit,
                efficiency__largest="batch",
            )
        )
    assert {m.name: m.value for m in told.value.measurements}["largest_batch"] == 5


def test_the_largest_grid_keeps_the_shape_and_fits(tmp_path):
    big = {"data.config.height": 48, "data.config.width": 32, "efficiency.memory_gb": 4e-4}
    asked = RunSpec.parse({**TINY, **big, "efficiency.largest": "patches"})
    folder = RunFolder.of(asked, tmp_path / "runs")
    folder.submit(asked)
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert record.status == "oom"
    assert record.error.message.startswith("does not fit, > 0.0004 GiB")
    found = {m.name: m.value for m in record.measurements}
    assert 0 < found["largest_patches"] < found["patches"] == 48 * 32
    rows = next(n for n in range(1, 48) if scaled(asked.geometry, n).tokens == found["largest_patches"])
    smaller = scaled(asked.geometry, rows)
    assert Subject.build(asked, CPU, geometry=smaller).output().shape == (1, 2, *smaller.grid)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_a_scaled_grid_is_in_proportion(rows):
    geometry = Geometry(3, 16, 32, 2, classes=5)
    found = scaled(geometry, rows)
    assert found.grid == (rows, 2 * rows)
    assert (found.channels, found.patch, found.classes) == (3, 2, 5)


def test_cuda_graphs_need_a_gpu_and_no_gradients():
    with pytest.raises(ValueError, match="needs a CUDA device"):
        figures(spec(efficiency__cuda_graphs=True))
    with pytest.raises(ValueError, match="device is cuda, and this run computes on cpu"):
        figures(spec(efficiency__device="cuda"))
    with pytest.raises(ValueError, match="leave them out"):
        spec(efficiency__cuda_graphs=True, efficiency__mode="training")


def test_a_wrong_kernel_has_no_speed(tmp_path, monkeypatch):
    network = load_object(spec().backbone.config.network)
    monkeypatch.setattr(network, "kernel_faults", staticmethod(lambda config, device: ["fast: is off by 3"]))
    asked = spec()
    folder = RunFolder.of(asked, tmp_path / "runs")
    folder.submit(asked)
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert (record.status, record.measurements) == ("failed", ())
    assert "no speed is reported for a wrong kernel: fast: is off by 3" in record.error.message


class Askew(nn.Module):
    """A network as a faulty compiler might leave it: right forward, and its gradients too large by a share."""

    def __init__(self, network: nn.Module, share: float) -> None:
        super().__init__()
        self.network, self.share = network, share

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        out = self.network(**inputs)
        return out + self.share * (out - out.detach())


@pytest.mark.parametrize(("mode", "share"), [("inference", 0.5), ("training", 0.0), ("training", 0.5)])
def test_what_is_compiled_is_held_against_the_plain_network(monkeypatch, mode, share):
    def compile_it(subject: Subject) -> None:
        subject.forward = torch.compile(Askew(subject.network, share), backend="eager")

    monkeypatch.setattr(Subject, "compile", compile_it)
    asked = spec(efficiency__mode=mode, efficiency__compile=True)
    if mode == "training" and share:
        with pytest.raises(RuntimeError, match="no speed is reported: compiled or captured, the gradients differ"):
            figures(asked)
    else:
        found, _ = figures(asked)
        assert found["compile_time"].value > 0


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ({"efficiency__compile": True}, ["evaluations", "compile", "forget_peak"]),
        # Replaying a graph allocates nothing: its peak is that of the capture.
        ({"efficiency__cuda_graphs": True}, ["evaluations", "forget_peak", "capture"]),
        (
            {"efficiency__compile": True, "efficiency__cuda_graphs": True},
            ["evaluations", "compile", "forget_peak", "capture"],
        ),
    ],
)
def test_the_peak_is_that_of_what_is_timed(monkeypatch, ways, expected):
    done = []
    evaluations = Subject.evaluations
    monkeypatch.setattr(Subject, "evaluations", lambda subject: done.append("evaluations") or evaluations(subject))
    for owner, name in ((Subject, "compile"), (Subject, "capture"), (memory, "forget_peak")):
        monkeypatch.setattr(owner, name, lambda _, name=name: done.append(name))
    ceilings = Ceilings(copy=1e9, matmul_float32=1e9, matmul_bfloat16=1e9, exp=1e9)
    _measure_once(spec(efficiency__mode="sampling", **ways), CPU, ceilings, 1.0, {})
    assert done == expected


@pytest.mark.parametrize("name", ["zigma", "dit"])
def test_every_kernel_is_loaded_before_the_first_call(monkeypatch, name):
    loaded_late = "backbones.ops.norm.cpu"  # By the first call of the blocks, where nothing else does it.
    monkeypatch.delitem(sys.modules, loaded_late, raising=False)
    monkeypatch.delattr(loaded_late, raising=False)
    (load,) = load_kernels(spec(backbone__name=name), CPU)
    assert (load.name, load.unit) == ("kernel_load", "s")
    assert loaded_late in sys.modules


def test_equal_seeds_make_equal_networks_whose_every_part_is_off_zero():
    a, b = Subject.build(spec(), CPU), Subject.build(spec(), CPU)
    assert torch.equal(a.output(), b.output())
    assert all(p.detach().any() for p in a.network.parameters())
