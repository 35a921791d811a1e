"""The classifier of noisy digits: what it knows at each time, its gradient, and the samples that it guides."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zigbench.data.builtin.digits import DigitsConfig
from zigbench.data.builtin.loaders.digits import Digits
from zigbench.data.builtin.loaders.shape import Shape
from zigbench.data.builtin.shape import ShapeConfig
from zigbench.evaluation.noisy_digits import NoisyDigits
from zigbench.interpolant import Interpolant
from zigbench.sampling.classifier_guidance import ClassifierGuidance
from zigbench.spec import RunSpec
from zigbench.spec.errors import SpecError

PATH = Interpolant().path


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits(DigitsConfig())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(digits: Digits, cache: Path) -> NoisyDigits:
    return NoisyDigits(digits, PATH, cache)


def at(digits: Digits, t: float) -> tuple[torch.Tensor, torch.Tensor]:
    batch = digits.split("held-out").batch(range(359))
    noise = torch.randn(batch.x.shape, generator=torch.Generator().manual_seed(0))
    return Interpolant().interpolate(batch.x, noise, torch.full((359,), t)), batch.label


def test_it_knows_more_the_less_noise_there_is(trained: NoisyDigits, digits: Digits):
    losses = []
    for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, label = at(digits, t)
        losses.append(float(torch.nn.functional.cross_entropy(trained(x, torch.full((359,), t)), label)))
    assert losses[0] == pytest.approx(2.303, abs=0.01)  # log 10: nothing.
    assert losses == sorted(losses, reverse=True) or max(losses[-2:]) < 0.1
    x, label = at(digits, 1.0)
    assert float((trained(x, torch.ones(359)).argmax(1) == label).float().mean()) > 0.97


def test_without_data_every_image_has_the_same_classes(trained: NoisyDigits, digits: Digits):
    logits = trained(at(digits, 0.0)[0], torch.zeros(359))
    assert torch.equal(logits, logits[:1].expand_as(logits))


@pytest.mark.parametrize("t", [0.05, 0.5, 0.95])
def test_its_gradient_is_that_of_finite_differences(trained: NoisyDigits, digits: Digits, t: float):
    network = type(trained.network)(8, PATH).double()
    network.load_state_dict(trained.network.state_dict())
    x, label = at(digits, t)
    x, label, times = x[:8].double(), label[:8], torch.full((8,), t, dtype=torch.float64)
    step = 1e-5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def chosen(x: torch.Tensor) -> torch.Tensor:
        return network(x, times).log_softmax(1).gather(1, label[:, None])[:, 0]

    gradient = ClassifierGuidance(network, 2.5, label).gradient(x, t)
    difference = 2.5 * (chosen(x + step) - chosen(x - step)) / 2
    torch.testing.assert_close((gradient * step).flatten(1).sum(1), difference, rtol=1e-6, atol=1e-12)


def test_a_second_call_reads_what_the_first_wrote(trained: NoisyDigits, digits: Digits, cache: Path):
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}
    assert NoisyDigits(digits, PATH, cache).sha256 == trained.sha256
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")} == before


def test_other_data_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"leave sampler\.classifier_scale at 0"):
        NoisyDigits(Shape(ShapeConfig()), PATH, tmp_path)


PLAIN = {"backbone.name": "dit", "data.name": "digits"}
RUN = {**PLAIN, "sampler.classifier_scale": 1.0}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"data.name": "photographs"}, "the data have no classes"),
        ({"data.name": "imagenet", "backbone.patch": 2}, "reads labelled grey digits"),
        ({"interpolant.coupling": "optimal-transport"}, "for independent noise"),
        ({"task": "efficiency"}, "times the network alone"),
        ({"objective.name": "reflow", "objective.teacher": f"run:{'0' * 16}"}, "'reflow' determine no score"),
        ({"objective.name": "consistency", "sampler.solver": "consistency"}, "which follows no score"),
    ],
)
def test_what_no_classifier_can_guide_is_refused_in_the_spec(keys: dict, words: str):
    with pytest.raises(SpecError, match=words):
        RunSpec.parse({**RUN, **keys})


def test_the_default_is_absent_and_another_scale_is_part_of_the_identity():
    plain = RunSpec.parse(PLAIN)
    assert RunSpec.parse({**RUN, "sampler.classifier_scale": 0.0}).id == plain.id
    assert "classifier_scale" not in plain.resolved()["sampler"]
    assert RunSpec.parse(RUN).id != plain.id
