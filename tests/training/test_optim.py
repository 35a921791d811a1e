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
from zigbench.spec import OptimizerSpec
from zigbench.training.optim import (
    clip_gradients,
    decay_groups,
    gradient_norm,
    learning_rate,
    load_optimizer_state,
    local_gradients,
    make_optimizer,
    optimizer_state,
)


def names(model: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    members = {id(parameter) for parameter in parameters}
    return {name for name, parameter in model.named_parameters() if id(parameter) in members}


def test_norms_biases_and_the_state_spaces_rates_are_not_decayed():
    model = build("zigma", DigitsConfig().geometry(1), width=8, depth=2, seed=0)
    matrices, others = (names(model, group) for group in decay_groups(model))
    assert matrices | others == {name for name, _ in model.named_parameters()}
    assert not matrices & others
    exempt = [name for name, p in model.named_parameters() if p.ndim < 2 or name.endswith(("A_log", ".D"))]
    assert any(name.endswith("A_log") for name in exempt)
    assert others >= set(exempt)
    assert {name for name, _ in model.named_parameters() if name.endswith("in_proj.weight")} <= matrices


def test_a_marked_parameter_is_not_decayed():
    layer = nn.Linear(3, 3)
    layer.weight._no_weight_decay = True
    assert decay_groups(layer) == ([], [layer.weight, layer.bias])


def test_frozen_parameters_are_left_alone():
    layer = nn.Linear(3, 3).requires_grad_(False)
    assert decay_groups(layer) == ([], [])
    with pytest.raises(ValueError, match="nothing to train"):
        make_optimizer(layer, OptimizerSpec())


def test_a_state_put_back_continues_with_the_same_bits():
    spec = OptimizerSpec(lr=0.03, betas=(0.8, 0.95), weight_decay=0.1, eps=1e-6)
    whole, resumed = (nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)) for _ in range(2))
    resumed.load_state_dict(whole.state_dict())
    one, other = make_optimizer(whole, spec), make_optimizer(resumed, spec)
    generator = torch.Generator().manual_seed(0)
    for step in range(20):
        for left, right in zip(whole.parameters(), resumed.parameters(), strict=True):
            left.grad = torch.randn(left.shape, generator=generator)
            right.grad = left.grad.clone()
        if step == 10:
            state = optimizer_state(other)
            other = make_optimizer(resumed, spec)
            load_optimizer_state(other, state)
        one.step()
        other.step()
        for left, right in zip(whole.parameters(), resumed.parameters(), strict=True):
            assert torch.equal(left, right)


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
    rates = [learning_rate(spec, step, warmup + steps) for step in range(warmup + steps)]
    assert rates[:warmup] == pytest.approx([0.3 * (i + 1) / warmup for i in range(warmup)])
    assert rates[warmup] == pytest.approx(0.3)
    assert all(a >= b - 1e-12 for a, b in zip(rates[warmup:], rates[warmup + 1 :], strict=False))
    assert learning_rate(spec, warmup + steps, warmup + steps) == pytest.approx(0.3 * final)
    middle = learning_rate(spec, warmup + steps // 2, warmup + steps // 2 * 2) if steps > 1 else None
    assert middle is None or middle == pytest.approx(0.3 * (1 + final) / 2)


def test_a_constant_rate_stays():
    spec = OptimizerSpec(lr=0.3, warmup=2)
    assert [learning_rate(spec, step, 5) for step in range(5)] == pytest.approx([0.15, 0.3, 0.3, 0.3, 0.3])


def clipped_gradients(model: nn.Module, clip: float) -> float:
    """Clip the gradients of a model and return their norm of before."""
    gradients = local_gradients(model.parameters())
    norm = float(gradient_norm(gradients))
    clip_gradients(gradients, norm, clip)
    return norm


@given(st.floats(1e-3, 1e8), st.floats(0.1, 10))
def test_the_clipped_gradient_keeps_its_direction_and_at_most_the_norm(size, clip):
    layer = nn.Linear(4, 4)
    length = math.sqrt(sum(parameter.numel() for parameter in layer.parameters()))
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, size / length)
    assert clipped_gradients(layer, clip) == pytest.approx(size, rel=1e-5)
    gradient = torch.cat([parameter.grad.flatten() for parameter in layer.parameters()])
    assert gradient.tolist() == pytest.approx([min(size, clip) / length] * len(gradient), rel=1e-4)


def test_a_huge_gradient_among_small_ones_does_not_move_the_weights_far():
    moved = {}
    for size in (1.0, 1e12):
        layer = nn.Linear(4, 4)
        start = layer.weight.detach().clone()
        optimizer = make_optimizer(layer, OptimizerSpec(lr=1e-3))
        for step in range(20):
            for parameter in layer.parameters():
                parameter.grad = torch.full_like(parameter, (size if step == 10 else 1.0) / math.sqrt(20))
            clipped_gradients(layer, 1.0)
            optimizer.step()
        moved[size] = float((layer.weight.detach() - start).abs().max())
    assert moved[1e12] == pytest.approx(moved[1.0], rel=1e-3)
