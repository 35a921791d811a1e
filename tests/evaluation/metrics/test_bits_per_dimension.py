"""Bits per dimension on a network whose density is known."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.gaussian_mixture import GaussianMixture
from zigbench.evaluation import read_protocols
from zigbench.evaluation.context import EvaluationContext
from zigbench.evaluation.measure import evaluate
from zigbench.evaluation.metrics.bits_per_dimension import LEVELS, dequantised, measure
from zigbench.interpolant import Interpolant
from zigbench.spec import registry

METRIC = registry.metrics.get("bits_per_dimension")


class Gaussian(torch.nn.Module):
    """The velocity whose flow ends at N(0, s² I)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.mixture = GaussianMixture.single(torch.zeros(1, 8, 8), scale)
        self.network = self.mixture.model(Interpolant())
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, t, *, label=None, context=None):
        return self.network(x, t)


def test_noise_fills_one_level_and_is_a_function_of_the_index() -> None:
    pixels = torch.full((200, 1, 4, 4), 7, dtype=torch.uint8)
    levels = (dequantised(pixels, range(200)) + 1) * (LEVELS / 2)
    assert levels.min() >= 6.5
    assert levels.max() < 7.5
    assert float(levels.var()) == pytest.approx(1 / 12, rel=0.1)
    assert torch.equal(dequantised(pixels[:3], range(5, 8)), dequantised(pixels, range(200))[5:8])


def test_the_bits_of_a_gaussian_are_those_of_its_density(digits, make_spec, tmp_path, cache) -> None:
    spec = make_spec(evaluation__metrics=["bits_per_dimension"])
    model = Gaussian(0.8)
    context = EvaluationContext(model, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
    (measured,) = measure(context, METRIC)
    split = digits.split("held-out")
    count = min(256, len(split))
    rows = [index * len(split) // count for index in range(count)]
    pixels = ((split.batch(rows).x + 1) * 127.5).round().to(torch.uint8)
    nats = model.mixture.log_prob(dequantised(pixels, range(count)))
    expected = -nats / (64 * math.log(2)) + math.log2(LEVELS / 2)
    assert measured.value == pytest.approx(float(expected.mean()), abs=2e-3)
    assert measured.interval[0] < measured.value < measured.interval[1]
    assert measured.unit == "bits"


def test_the_evaluation_records_it_under_a_protocol_of_its_own(network, digits, make_spec, tmp_path, cache) -> None:
    spec = make_spec(evaluation__metrics=["bits_per_dimension"], evaluation__preview=0, evaluation__batch=128)
    (measured,) = evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
    protocol = read_protocols(tmp_path)[measured.protocol]
    assert (protocol.samples, protocol.solver, protocol.reference_split) == (None, None, "held-out")
    assert "uniformly dequantised" in protocol.estimator


def test_latents_have_none(digits, network, make_spec, tmp_path, cache) -> None:
    class Latents:
        split, decoder = digits.split, "a decoder"

        def decode(self, x):
            return x

    spec = make_spec(evaluation__metrics=["bits_per_dimension"], evaluation__preview=0)
    (measured,) = evaluate(network, Interpolant(), Latents(), spec, folder=tmp_path, cache=cache)
    assert measured.value is None
    assert "latents" in measured.note
