"""A training that stops being numbers: the step, the layer, what is kept, and going back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.training.conftest import Net, net, train
from zigbench.training import DivergedError
from zigbench.training.checkpoints import Checkpoint
from zigbench.training.divergence import locate
from zigbench.training.logging import read_lines


class Spoils(nn.Module):
    """Does something to what passes through."""

    def __init__(self, act) -> None:
        super().__init__()
        self.act = act

    def forward(self, h):
        return self.act(h)


class Stack(nn.Module):
    """Linear, a layer under test, linear; with an operation of its own between."""

    def __init__(self, act, between=lambda h: h) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.middle = Spoils(act)
        self.between = between
        self.last = nn.Linear(3, 1)

    def forward(self, h):
        return self.last(self.between(self.middle(self.first(h))))


def place(model: nn.Module, h=None) -> tuple[str, str]:
    h = torch.ones(2, 3) if h is None else h
    return locate(model, lambda: model(h).sum())


def test_the_layer_whose_output_is_not_finite_is_named():
    layer, sentence = place(Stack(lambda h: h / 0))
    assert layer == "middle"
    assert "middle" in sentence


def test_an_operation_between_layers_is_its_owners():
    outer = nn.Sequential(nn.Identity(), Stack(lambda h: h, between=lambda h: h.mul(-1e30).exp().log()))
    assert place(outer)[0] == "1"


def test_an_input_that_is_not_finite_is_not_blamed_on_a_layer():
    assert place(Stack(lambda h: h), torch.full((2, 3), torch.nan)) == ("", "the network's input is not finite")


def test_a_parameter_that_is_not_finite_is_named():
    model = Stack(lambda h: h)
    with torch.no_grad():
        model.last.weight[0, 1] = torch.inf
    assert place(model) == ("last", "the parameter last.weight is not finite")


def test_a_gradient_that_is_not_finite_is_placed_in_the_layer_nearest_the_output():
    # The square root is finite at 0 and its slope is not: all layers below it get a gradient that is not finite.
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), Spoils(lambda h: (h * 0).sqrt()), nn.Linear(3, 1))
    layer, sentence = place(model)
    assert layer == "1"
    assert sentence.startswith("the gradient of 1.")


def test_a_loss_that_is_not_finite_by_itself_is_said():
    model = Stack(lambda h: h)
    assert "every layer's output is finite" in locate(model, lambda: model(torch.ones(2, 3)).sum() * torch.inf)[1]


def test_the_step_is_told_the_last_checkpoint_kept_and_nothing_updated(tmp_path):
    model = net()
    with pytest.raises(DivergedError, match=r"diverged at step 5: layer blocks.0.norm is the first") as caught:
        train(tmp_path, model, poisoned=True, checkpoint_every=2)
    assert (caught.value.step, caught.value.layer) == (5, "blocks.0.norm")
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    assert Checkpoint.read(tmp_path / "checkpoints" / "000000004").step == 4
    assert [line["step"] for line in read_lines(tmp_path / "log.jsonl")] == [1, 2, 3, 4]


class Fragile(Net):
    """Bursts when its weights have come too far from where they began, as too high a rate makes them."""

    limit = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("start", self.out.weight.detach().clone())

    def forward(self, x, t, *, label=None, context=None):
        far = (self.out.weight - self.start).abs().max()
        return super().forward(x, t, label=label) * torch.where(far > self.limit, torch.inf, 1.0)


def fragile() -> Fragile:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Fragile()


REWIND = {"on_divergence": "rewind", "rewind_every": 4, "lr": 0.2, "schedule": "constant", "warmup": 0}


def test_rewinding_goes_back_to_an_anchor_and_halves_the_rate_until_it_holds(tmp_path):
    with pytest.raises(DivergedError):
        train(tmp_path / "stop", fragile(), **{**REWIND, "on_divergence": "stop"})
    trained = train(tmp_path / "rewind", fragile(), **REWIND)
    assert trained.step == 20
    lines = read_lines(tmp_path / "rewind" / "log.jsonl")
    events = [line for line in lines if "rewound_from" in line]
    assert events
    factor = events[-1]["rate_factor"]
    assert factor == 0.5 ** round(-torch.tensor(factor).log2().item())
    assert lines[-1]["lr"] == pytest.approx(0.2 * factor)
    assert all(event["step"] % 4 == 0 < event["rewound_from"] - event["step"] for event in events)
    # The log tells each step that counts once, in order.
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == list(range(1, 21))


def test_rewinding_is_the_same_whenever_checkpoints_were_written(tmp_path):
    for name, every in (("often", 1), ("never", None)):
        train(tmp_path / name, fragile(), checkpoint_every=every, **REWIND)
    logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("often", "never")]
    assert logs[0] == logs[1]


def test_rewinding_gives_up_in_the_end(tmp_path):
    with pytest.raises(DivergedError, match="halved 10 times already"):
        train(tmp_path, poisoned=True, **REWIND)
