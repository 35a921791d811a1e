"""ssd, gated linear attention and the gated delta rule under what PyTorch does to a network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import backbones.analysis.reach  # noqa: F401  registers the formulas
from backbones.config.layers import matrix_state_flops
from tests.backbones.ops.matrix_state.cases import OPERATORS, draws, leaves, outcome

operators = pytest.mark.parametrize("operator", OPERATORS)


@operators
@pytest.mark.parametrize("backend", ["cpu", "chunked", "reference"])
def test_compiles_into_one_graph(operator: str, backend: str) -> None:
    inputs = leaves(draws(operator, 1, 70, 2, 4, 4), torch.float32)
    torch._dynamo.reset()

    def call(*tensors: Tensor) -> Tensor:
        return OPERATORS[operator](**dict(zip(inputs, tensors, strict=True)), backend=backend)

    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    plain = outcome(operator, inputs, backend)
    y = compiled(*inputs.values())
    weights = torch.sin(torch.arange(y.numel(), dtype=torch.float64) * 1.7).reshape(y.shape).to(y.dtype)
    gradients = torch.autograd.grad(y, list(inputs.values()), weights)
    for result, right in zip((y, *gradients), plain.values(), strict=True):
        torch.testing.assert_close(result, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("delta_rule", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_custom_op_keeps_its_promises(dtype: torch.dtype, delta_rule: bool) -> None:
    inputs = leaves(draws("gated-delta", 2, 70, 2, 4, 3), dtype)
    inputs["log_decay"] = inputs["log_decay"].detach().unsqueeze(-1).requires_grad_()
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.zigbench.matrix_state, (*inputs.values(), delta_rule, "auto"), test_utils=checks)


@operators
def test_autocast_leaves_the_products_of_float32_inputs_in_float32(operator: str) -> None:
    inputs = leaves(draws(operator, 1, 70, 2, 4, 4), torch.float32)
    right = outcome(operator, inputs, "auto")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for name, result in outcome(operator, inputs, "auto").items():
            assert result.dtype is torch.float32
            torch.testing.assert_close(result, right[name], rtol=1e-5, atol=1e-6)


@operators
def test_the_recurrence_is_counted_in_closed_form(operator: str) -> None:
    inputs = {name: x.to("meta").requires_grad_() for name, x in draws(operator, 2, 70, 3, 4, 5).items()}
    each = matrix_state_flops(2, 70, 3, 4, 5, delta_rule=operator == "gated-delta")
    assert each == 2 * 70 * 3 * 4 * 5 * (7 if operator == "gated-delta" else 5)
    with FlopCounterMode(display=False) as forward:
        y = OPERATORS[operator](**inputs)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()
    assert (forward.get_total_flops(), backward.get_total_flops()) == (each, 2 * each)
