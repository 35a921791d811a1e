"""A training that diverges: the step, the layer, and the checkpoint that stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.training.conftest import net, train
from zigbench.training import DivergedError
from zigbench.training.checkpoints import Checkpoint
from zigbench.training.divergence import locate
from zigbench.training.logging import read_lines


class Apply(nn.Module):
    """A layer that applies a function."""

    def __init__(self, act) -> None:
        super().__init__()
        self.act = act

    def forward(self, h):
        return self.act(h)


class Stack(nn.Module):
    """Linear, a layer under test, linear; with an operation of the stack itself between."""

    def __init__(self, act, between=lambda h: h) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.middle = Apply(act)
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


def test_an_operation_between_layers_belongs_to_their_parent():
    outer = nn.Sequential(nn.Identity(), Stack(lambda h: h, between=lambda h: h.mul(-1e30).exp().log()))
    assert place(outer)[0] == "1"


def test_an_input_that_is_not_finite_names_no_layer():
    assert place(Stack(lambda h: h), torch.full((2, 3), torch.nan)) == ("", "the network's input is not finite")


def test_a_parameter_that_is_not_finite_is_named():
    model = Stack(lambda h: h)
    with torch.no_grad():
        model.last.weight[0, 1] = torch.inf
    assert place(model) == ("last", "the parameter last.weight is not finite")


def test_a_gradient_that_is_not_finite_is_placed_in_the_layer_nearest_the_output():
    # The square root is finite at 0 and its slope is not: all layers below it get a gradient that is not finite.
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), Apply(lambda h: (h * 0).sqrt()), nn.Linear(3, 1))
    layer, sentence = place(model)
    assert layer == "1"
    assert sentence.startswith("the gradient of 1.")


def test_a_loss_that_is_not_finite_by_itself_is_named():
    model = Stack(lambda h: h)
    assert "every layer's output is finite" in locate(model, lambda: model(torch.ones(2, 3)).sum() * torch.inf)[1]


def test_the_step_is_named_the_last_checkpoint_stays_and_nothing_is_updated(tmp_path):
    model = net()
    with pytest.raises(DivergedError, match=r"diverged at step 5: layer blocks.0.norm is the first") as caught:
        train(tmp_path, model, poisoned=True, checkpoint_every=2)
    assert (caught.value.step, caught.value.layer) == (5, "blocks.0.norm")
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    assert Checkpoint.read(tmp_path / "checkpoints" / "000000004").step == 4
    assert [line["step"] for line in read_lines(tmp_path / "log.jsonl")] == [1, 2, 3, 4]


def test_rewinding_is_refused_before_the_first_step_with_what_to_take(tmp_path):
    with pytest.raises(ValueError, match=r"'rewind', which was removed.*take 'stop'"):
        train(tmp_path / "run", on_divergence="rewind")
    assert not (tmp_path / "run").exists()
