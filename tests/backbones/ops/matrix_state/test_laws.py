"""Laws and closed forms of ssd, gated linear attention and the gated delta rule."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backbones.ops import gated_delta, gated_linear_attention, ssd
from tests.backbones.ops.matrix_state.cases import OPERATORS, draws, leaves

BACKENDS = ["reference", "chunked"]
SHAPES = {"one step": (1, 1, 1, 1, 1), "several": (2, 7, 3, 4, 5), "over a chunk": (1, 150, 2, 8, 4)}

backends = pytest.mark.parametrize("backend", BACKENDS)
operators = pytest.mark.parametrize("operator", OPERATORS)


@backends
@operators
def test_gradients_are_those_of_finite_differences(operator: str, backend: str) -> None:
    inputs = leaves(draws(operator, 2, 5, 2, 3, 2), torch.float64)

    def call(*tensors: Tensor) -> Tensor:
        return OPERATORS[operator](**dict(zip(inputs, tensors, strict=True)), backend=backend)

    assert torch.autograd.gradcheck(call, tuple(inputs.values()), check_forward_ad=True)


def recurred(update, q, v, decay):
    """Return the outputs and the states (heads, V, K) of one sample, by the equation as it is written."""
    state, outputs = torch.zeros(v.shape[1], v.shape[2], q.shape[2], dtype=torch.float64), []
    for step in range(len(v)):
        state = update(state * decay[step], step)
        outputs.append(torch.einsum("hvk,hk->hv", state, q[step]))
    return torch.stack(outputs)


@backends
def test_the_gated_delta_rule_is_its_equation(backend: str) -> None:
    x = draws("gated-delta", 1, 70, 2, 4, 3)
    q, k, v, log_decay, beta = (t[0] for t in x.values())

    def update(state, step):
        erasure = torch.eye(4, dtype=torch.float64) - beta[step, :, None, None] * torch.einsum(
            "hi,hj->hij", k[step], k[step]
        )
        return state @ erasure + beta[step, :, None, None] * torch.einsum("hv,hk->hvk", v[step], k[step])

    right = recurred(update, q, v, log_decay.exp()[..., None, None])
    torch.testing.assert_close(gated_delta(**x, backend=backend)[0], right, rtol=1e-12, atol=1e-12)


@backends
def test_ssd_is_its_equation(backend: str) -> None:
    x = draws("ssd", 1, 70, 2, 4, 3)

    def update(state, step):
        inflow = x["delta"][0, step, :, None] * x["x"][0, step]
        return state + torch.einsum("hp,n->hpn", inflow, x["B"][0, step])

    decay = torch.exp(x["delta"][0] * x["A"])[..., None, None]
    right = recurred(update, x["C"][0, :, None].expand(-1, 2, -1), x["x"][0], decay) + x["D"][:, None] * x["x"][0]
    torch.testing.assert_close(ssd(**x, backend=backend)[0], right, rtol=1e-12, atol=1e-12)


@backends
def test_gated_linear_attention_is_its_equation(backend: str) -> None:
    x = draws("gla", 1, 70, 2, 4, 3)
    q, k, v, log_decay = (t[0] for t in x.values())
    right = recurred(
        lambda state, step: state + torch.einsum("hv,hk->hvk", v[step], k[step]), q, v, log_decay.exp()[..., None, :]
    )
    torch.testing.assert_close(gated_linear_attention(**x, backend=backend)[0], right, rtol=1e-12, atol=1e-12)


@backends
def test_a_constant_decay_sums_a_geometric_series(backend: str) -> None:
    ones, rate = torch.ones(1, 200, 1, 1, dtype=torch.float64), 0.05
    steps = torch.arange(1, 201, dtype=torch.float64)
    series = (1 - torch.exp(-rate * steps)) / -torch.expm1(torch.tensor(-rate, dtype=torch.float64))
    y = gated_linear_attention(ones, ones, ones, -rate * ones, backend=backend)
    torch.testing.assert_close(y.flatten(), series, rtol=1e-12, atol=0)
    A = torch.tensor([-rate], dtype=torch.float64)
    y = ssd(ones, ones[..., 0], A, ones[..., 0], ones[..., 0], backend=backend)
    torch.testing.assert_close(y.flatten(), series, rtol=1e-12, atol=0)


@backends
def test_without_decay_gated_linear_attention_is_causal_linear_attention(backend: str) -> None:
    x = draws("gla", 2, 90, 3, 4, 5)
    x["log_decay"] = torch.zeros_like(x["log_decay"])
    weights = torch.einsum("bihk,bjhk->bhij", x["q"], x["k"]).tril()
    right = torch.einsum("bhij,bjhv->bihv", weights, x["v"])
    torch.testing.assert_close(gated_linear_attention(**x, backend=backend), right, rtol=1e-12, atol=1e-12)


@backends
def test_ssd_is_gated_linear_attention_whose_decay_the_rows_share(backend: str) -> None:
    x = draws("ssd", 2, 90, 3, 4, 5)
    q, k = (x[name].unsqueeze(2).expand(-1, -1, 3, -1) for name in "CB")
    decay = (x["delta"] * x["A"]).unsqueeze(-1).expand_as(q)
    right = gated_linear_attention(q, k, x["x"] * x["delta"].unsqueeze(-1), decay, backend=backend)
    right = right + x["D"].unsqueeze(-1) * x["x"]
    torch.testing.assert_close(ssd(**x, backend=backend), right, rtol=1e-12, atol=1e-12)


@backends
def test_the_delta_rule_with_orthonormal_keys_is_an_exact_associative_memory(backend: str) -> None:
    """Write K values at K orthonormal keys, overwrite them all, and read each back: what was written last."""
    generator = torch.Generator().manual_seed(0)
    keys, _ = torch.linalg.qr(torch.randn(1, 1, 32, 32, generator=generator, dtype=torch.float64))
    order = torch.randperm(32, generator=generator)
    k = torch.cat([keys, keys[:, :, order], keys], 2).transpose(1, 2)
    v = torch.randn(1, 96, 1, 5, generator=generator, dtype=torch.float64)
    ones = torch.ones(1, 96, 1, dtype=torch.float64)
    beta = torch.cat([ones[:, :64], 0 * ones[:, :32]], 1)
    y = gated_delta(k, k, v, 0 * ones, beta, backend=backend)
    torch.testing.assert_close(y[:, :64], v[:, :64], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(y[:, 64:], v[:, 32:64][:, torch.argsort(order)], rtol=1e-12, atol=1e-12)


@backends
def test_the_delta_rule_without_writing_reads_zeros(backend: str) -> None:
    x = draws("gated-delta", 2, 30, 2, 4, 3)
    assert not gated_delta(**{**x, "beta": 0 * x["beta"]}, backend=backend).any()


@backends
@operators
def test_a_later_step_has_no_influence_on_an_earlier_one(operator: str, backend: str) -> None:
    first, second = draws(operator, 1, 100, 2, 4, 3, seed=0), draws(operator, 1, 100, 2, 4, 3, seed=1)
    mixed = {n: torch.cat([x[:, :50], second[n][:, 50:]], 1) if x.dim() > 1 else x for n, x in first.items()}
    given, changed = (OPERATORS[operator](**x, backend=backend) for x in (first, mixed))
    torch.testing.assert_close(changed[:, :50], given[:, :50], rtol=1e-12, atol=1e-12)
    assert (changed[:, 50:] - given[:, 50:]).abs().max() > 0.1


@backends
@operators
@pytest.mark.parametrize("shape", [(0, 5, 2, 3, 4), (2, 0, 2, 3, 4), (1, 5, 0, 3, 4), (1, 5, 2, 3, 0)])
def test_empty_tensors_give_empty_ones(shape: tuple[int, ...], operator: str, backend: str) -> None:
    inputs = leaves(draws(operator, *shape), torch.float32)
    y = OPERATORS[operator](**inputs, backend=backend)
    assert y.shape == (*shape[:3], shape[4])
    for x, gradient in zip(inputs.values(), torch.autograd.grad(y.sum(), list(inputs.values())), strict=True):
        assert gradient.shape == x.shape
