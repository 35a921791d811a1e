"""A DiT in diffusers is the same function, of time as noise and of the negative velocity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from backbones.pretrained.to_diffusers import write
from zigbench.backbone import build_from
from zigbench.interpolant import Interpolant
from zigbench.sampling import sample, starting_noise
from zigbench.spec import EvaluationRun

pytest.importorskip("diffusers", reason="the extra latents is not installed")

from diffusers import DiTTransformer2DModel, FlowMatchEulerDiscreteScheduler
from diffusers.models.embeddings import Timesteps

CONFIG = {"width": 48, "depth": 3, "heads": 4, "label_dropout": 0.1}


def spec(name: str = "dit", side: tuple[int, int] = (8, 8), **changes: Any) -> EvaluationRun:
    config = {**CONFIG, **changes.pop("config", {})}
    if name != "dit":
        del config["heads"]
    return EvaluationRun.parse(
        {
            "task": "evaluate",
            "weights": "0" * 64,
            "backbone": {"name": name, "patch": 2, "config": config},
            "data": {"name": "shape", "config": {"channels": 3, "height": side[0], "width": side[1], "classes": 10}},
            **changes,
        }
    )


def trained(run: EvaluationRun) -> nn.Module:
    """Return the network with weights that are not those of its initialisation, whose output is zero."""
    network = build_from(run, run.geometry, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return network


def loaded(folder: Path) -> DiTTransformer2DModel:
    model = DiTTransformer2DModel.from_pretrained(folder / "transformer").eval()
    for module in model.modules():
        if isinstance(module, Timesteps):
            module.downscale_freq_shift = 0
    return model


@pytest.mark.parametrize("time", ["scaled", "unit"])
def test_both_packages_compute_the_same_velocity(time: str, tmp_path: Path) -> None:
    run = spec(config={"time": time})
    network = trained(run)
    write(network, run, tmp_path)
    x = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    t, label = torch.linspace(0, 1, 7), torch.tensor([0, 1, 2, 3, 9, -1, 5])
    with torch.no_grad():
        own = network(x, t, label=label)
        exported = loaded(tmp_path)(x, 1_000 * (1 - t), torch.where(label < 0, 10, label)).sample
    # The angles, up to 1,000, are rounded to float32: 6e-5 in a sinusoid.
    torch.testing.assert_close(-exported, own, atol=2e-4 * float(own.abs().max()), rtol=0)


def test_its_scheduler_takes_the_steps_of_eulers_method(tmp_path: Path) -> None:
    run = spec(config={"time": "unit"})
    network = trained(run)
    write(network, run, tmp_path)
    noise, label = starting_noise(range(4), (3, 8, 8)), torch.arange(4)
    model = loaded(tmp_path)
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(tmp_path / "scheduler")
    scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    x = noise
    with torch.no_grad():
        for s in scheduler.timesteps:
            x = scheduler.step(model(x, s.expand(4), label).sample, s, x).prev_sample
        from_here = sample(network, Interpolant(), noise, solver="euler", steps=4, label=label)
    torch.testing.assert_close(x, from_here, atol=1e-4 * float(from_here.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (spec("zigma"), "it is a ZigMa, not a DiT"),
        (spec(side=(8, 12)), "8×12 are not square"),
        (spec(config={"learned_sigma": True}), "a variance too"),
        (spec(config={"time": "reversed"}), '"reversed"'),
        (spec(position="learned"), '"learned", not "sincos"'),
        (spec(config={"label_dropout": 0.0}), "no row for the null label"),
        (spec(interpolant={"path": "linear", "prediction": "data"}), "does not predict the velocity"),
        (spec(config={"times": 2}, objective={"name": "mean-flow"}), "it has 2 time inputs, not one"),
        (
            spec(objective={"name": "consistency"}, sampler={"solver": "consistency"}),
            "'consistency' trains a jump to the end of a flow",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_network_is_refused_with_the_reason(run: EvaluationRun, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        write(build_from(run, run.geometry, seed=0), run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
