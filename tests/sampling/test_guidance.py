"""Classifier-free guidance: the formula, when and where it holds, and what it costs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.interpolant import PREDICTIONS, Interpolant
from zigbench.sampling import Counted, sample

NOISE = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
LABEL = torch.tensor([0, 1, 2])


def labelled(x, t, *, label=None, context=None):
    """Velocity 1 + label with a label, 0 with none; 10 more with a context."""
    value = torch.zeros(len(x)) if label is None else (label + 1).float()
    if context is not None:
        value = value + context.mean((1, 2)) * 10
    return value.reshape(-1, 1, 1, 1).expand_as(x)


def moved(**options) -> torch.Tensor:
    """Return the distance that each sample and channel was moved, (B, C)."""
    options = {"label": LABEL, "steps": 10, **options}
    return (sample(labelled, Interpolant(), NOISE, **options) - NOISE).mean((2, 3))


@given(scale=st.floats(0.0, 9.0))
def test_formula(scale: float):
    expected = scale * torch.tensor([1.0, 2.0, 3.0])  # Unconditional 0.
    torch.testing.assert_close(moved(guidance=scale), expected[:, None].expand(3, 4), rtol=1e-4, atol=1e-4)


def test_label_and_context_are_dropped_together():
    context = torch.ones(3, 5, 2)
    expected = 2 * torch.tensor([11.0, 12.0, 13.0])
    torch.testing.assert_close(moved(guidance=2.0, context=context)[:, 0], expected)
    torch.testing.assert_close(moved(guidance=2.0, context=context, label=None)[:, 0], torch.full((3,), 20.0))


def test_interval():
    guided = moved(guidance=3.0, guidance_interval=(0.25, 0.65))  # Steps at 0.3, 0.4, 0.5 and 0.6.
    torch.testing.assert_close(guided[:, 0], torch.tensor([1.0, 2.0, 3.0]) * (0.4 * 3 + 0.6))


def test_first_channels_only():
    guided = moved(guidance=3.0, guidance_channels=3)
    torch.testing.assert_close(guided[1], torch.tensor([6.0, 6.0, 6.0, 2.0]))


def test_clips_are_guided_along_their_channels():
    clips = torch.zeros(3, 2, 4, 1, 1)

    def network(x, t, *, label=None, context=None):
        return (label + 1).float().reshape(-1, 1, 1, 1, 1).expand_as(x)

    x = sample(network, Interpolant(), clips, label=LABEL, guidance=2.0, guidance_channels=1, steps=2)
    torch.testing.assert_close(x[0, :, :, 0, 0], torch.tensor([[2.0, 1.0, 1.0, 1.0]] * 2))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_guiding_any_prediction_guides_the_velocity(prediction: str):
    velocity = Interpolant("linear", "velocity")
    interpolant = Interpolant("linear", prediction)

    def network(x, t, *, label=None, context=None):
        return velocity.convert(prediction, labelled(x, t, label=label), x, t)

    times = [0.2, 0.5, 0.8]
    options = {"label": LABEL, "guidance": 2.5, "times": times}
    expected = sample(labelled, velocity, NOISE.double(), **options)
    x = sample(network, interpolant, NOISE.double(), **options)
    torch.testing.assert_close(x, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "evaluations"),
    [
        ({"guidance": 1.0}, 10),
        ({"guidance": 0.0}, 10),
        ({"guidance": 2.0}, 20),
        ({"guidance": 2.0, "guidance_interval": (0.25, 0.65)}, 14),
        ({"guidance": 0.0, "guidance_channels": 3}, 20),
        ({"guidance": 2.0, "solver": "heun"}, 40),
    ],
)
def test_a_guided_evaluation_counts_twice(options: dict, evaluations: int):
    network = Counted(labelled)
    sample(network, Interpolant(), NOISE, label=LABEL, steps=10, **options)
    assert network.evaluations == evaluations


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"guidance": -1.0}, "must be at least 0"),
        ({"guidance": float("nan")}, "must be at least 0"),
        ({"guidance_interval": (0.6, 0.5)}, "0 ≤ first ≤ last ≤ 1"),
        ({"guidance_channels": 0}, "at least 1"),
        ({"guidance": 2.0, "label": None}, "guidance needs a condition"),
    ],
)
def test_impossible_guidance_is_refused(options: dict, words: str):
    with pytest.raises(ValueError, match=words):
        moved(**options)
