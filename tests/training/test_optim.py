"""Laws of the optimizer: what is decayed, the rate over time, the clip before the step."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zigbench.backbone import build
from zigbench.data.builtin.digits import DigitsConfig
from zigbench.interpolant import Interpolant
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.training.optim import decayed, make_optimizer, rate
from zigbench.training.parallel import World
from zigbench.training.step import Gradient, Stepper

CPU = torch.device("cpu")


def names(model: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    wanted = {id(parameter) for parameter in parameters}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


def test_norms_biases_and_the_state_spaces_rates_are_not_decayed():
    model = build("zigma", DigitsConfig().geometry(1), width=8, depth=2, seed=0)
    matrices, others = (names(model, group) for group in decayed(model))
    assert matrices | others == {name for name, _ in model.named_parameters()}
    assert not matrices & others
    spared = [name for name, p in model.named_parameters() if p.ndim < 2 or name.endswith(("A_log", ".D"))]
    assert any(name.endswith("A_log") for name in spared)
    assert others >= set(spared)
    assert {name for name, _ in model.named_parameters() if name.endswith("in_proj.weight")} <= matrices


def test_a_marked_parameter_is_not_decayed():
    layer = nn.Linear(3, 3)
    layer.weight._no_weight_decay = True
    assert decayed(layer) == ([], [layer.weight, layer.bias])


def test_frozen_parameters_are_left_alone():
    layer = nn.Linear(3, 3).requires_grad_(False)
    assert decayed(layer) == ([], [])
    with pytest.raises(ValueError, match="nothing to train"):
        make_optimizer(layer, OptimizerSpec())


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_update_is_that_of_torchs_own_adamw_to_the_bit(decay):
    spec = OptimizerSpec(lr=0.03, betas=(0.8, 0.95), weight_decay=decay, eps=1e-6)
    mine, theirs = (nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)) for _ in range(2))
    theirs.load_state_dict(mine.state_dict())
    matrices, others = decayed(theirs)
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.03, betas=(0.8, 0.95), eps=1e-6, fused=True)
    optimizer = make_optimizer(mine, spec)
    generator = torch.Generator().manual_seed(0)
    for step in range(20):
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        if step == 10:  # A state that went through a checkpoint goes on alike.
            kept = optimizer.state_dict()
            optimizer = make_optimizer(mine, spec)
            optimizer.load_state_dict(kept)
        optimizer.step()
        reference.step()
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other)


def test_decay_without_gradient_shrinks_matrices_alone():
    layer = nn.Linear(3, 3)
    before = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimizer = make_optimizer(layer, OptimizerSpec(lr=0.1, weight_decay=0.5))
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(layer.weight, before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(layer.bias, before[1])


@given(st.integers(0, 20), st.integers(1, 200), st.floats(0, 1))
def test_the_rate_rises_then_falls_to_its_end(warmup, steps, final):
    spec = OptimizerSpec(lr=0.3, warmup=warmup, schedule="cosine", final=final)
    rates = [rate(spec, step, warmup + steps) for step in range(warmup + steps)]
    assert rates[:warmup] == pytest.approx([0.3 * (i + 1) / warmup for i in range(warmup)])
    assert rates[warmup] == pytest.approx(0.3)
    assert all(a >= b - 1e-12 for a, b in zip(rates[warmup:], rates[warmup + 1 :], strict=False))
    assert rate(spec, warmup + steps, warmup + steps) == pytest.approx(0.3 * final)
    middle = rate(spec, warmup + steps // 2, warmup + steps // 2 * 2) if steps > 1 else None
    assert middle is None or middle == pytest.approx(0.3 * (1 + final) / 2)


def test_a_constant_rate_stays():
    spec = OptimizerSpec(lr=0.3, warmup=2)
    assert [rate(spec, step, 5) for step in range(5)] == pytest.approx([0.15, 0.3, 0.3, 0.3, 0.3])


def stepper(model: nn.Module, **changes: float) -> Stepper:
    training = TrainingSpec(steps=1, batch=1)
    return Stepper(model, model, Interpolant(), OptimizerSpec(**changes), training, World(), CPU)


@given(st.floats(1e-3, 1e8), st.floats(0.1, 10))
def test_what_enters_the_step_is_the_clipped_gradient(size, clip):
    layer = nn.Linear(4, 4)
    one = stepper(layer, clip=clip, lr=1e-3)
    direction = [torch.ones_like(parameter) for parameter in layer.parameters()]
    length = math.sqrt(sum(part.numel() for part in direction))
    for parameter, part in zip(layer.parameters(), direction, strict=True):
        parameter.grad = part * (size / length)
    gradient, _ = one.gradient(torch.tensor(1.0))
    assert gradient.norm == pytest.approx(size, rel=1e-5)
    one.update(gradient, 1e-3)
    # After one step Adam's first moment is a tenth of the gradient it was given.
    moments = torch.cat([one.optimizer.moments[p][0].flatten() for p in layer.parameters()])
    assert float(moments.norm()) / 0.1 == pytest.approx(min(size, clip), rel=1e-4)


def test_a_huge_gradient_among_small_ones_does_not_move_the_weights_far():
    moved = {}
    for size in (1.0, 1e12):
        layer = nn.Linear(4, 4)
        start = layer.weight.detach().clone()
        one = stepper(layer, clip=1.0, lr=1e-3)
        for step in range(20):
            for parameter in layer.parameters():
                parameter.grad = torch.full_like(parameter, (size if step == 10 else 1.0) / math.sqrt(20))
            gradient, _ = one.gradient(torch.tensor(0.0))
            one.update(gradient, 1e-3)
        moved[size] = float((layer.weight.detach() - start).abs().max())
    assert moved[1e12] == pytest.approx(moved[1.0], rel=1e-3)


def test_a_gradient_is_finite_only_with_its_loss():
    assert Gradient(1.0, 2.0).finite
    assert not Gradient(math.nan, 2.0).finite
    assert not Gradient(1.0, math.inf).finite
