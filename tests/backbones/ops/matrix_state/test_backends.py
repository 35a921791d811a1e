"""Every backend against the recurrence in float64: precision, decays of any size, types, strides."""

from __future__ import annotations

import pytest
import torch

from backbones.ops.matrix_state import chunked
from tests.backbones.ops.cases import error
from tests.backbones.ops.matrix_state.cases import OPERATORS, draws, leaves, outcome

BACKENDS = ["chunked", "cpu"]
LENGTHS = [1, 2, 3, 63, 64, 65, 200]

backends = pytest.mark.parametrize("backend", BACKENDS)
operators = pytest.mark.parametrize("operator", OPERATORS)
few_and_many_keys = pytest.mark.parametrize("keys", [8, 65])


def compare(operator, inputs, backend, bound, dtype=torch.float32):
    """Hold the output and every gradient to ``bound`` of the largest entry, from inputs rounded to ``dtype``."""
    rounded = {name: x.to(dtype) for name, x in inputs.items()}
    right = outcome(operator, leaves(rounded, torch.float64), "reference")
    for name, result in outcome(operator, leaves(rounded, dtype), backend).items():
        assert torch.isfinite(result).all(), name
        assert error(result, right[name]) <= bound, name


@backends
@operators
@few_and_many_keys
@pytest.mark.parametrize("length", LENGTHS)
def test_agrees_with_the_recurrence_in_float64(length: int, keys: int, operator: str, backend: str) -> None:
    compare(operator, draws(operator, 2, length, 3, keys, 12), backend, 1e-5)


@backends
@operators
def test_agrees_at_the_size_of_a_network(operator: str, backend: str) -> None:
    compare(operator, draws(operator, 1, 300, 2, 64, 64), backend, 1e-5)


@backends
@operators
@few_and_many_keys
@pytest.mark.parametrize("decay", [1e-4, 30.0, 1000.0])
def test_decays_of_any_size_cost_no_precision(decay: float, keys: int, operator: str, backend: str) -> None:
    compare(operator, draws(operator, 2, 150, 2, keys, 8, decay=decay), backend, 1e-5)


@backends
@pytest.mark.parametrize("lowest", [-80.0, -1e5, -torch.inf])
def test_a_single_decay_to_nothing_leaves_the_others_their_precision(lowest: float, backend: str) -> None:
    """Steps between −80 and lower decay slowly: a difference of two long sums would lose what they are."""
    inputs = draws("gla", 1, 130, 2, 8, 8, decay=0.01)
    inputs["log_decay"][:, ::9] = lowest
    inputs["log_decay"][:, 5::7, :, ::2] = lowest
    compare("gla", inputs, backend, 1e-5)
    inputs = draws("gated-delta", 1, 130, 2, 8, 8, decay=0.01)
    inputs["log_decay"][:, ::9] = lowest
    compare("gated-delta", inputs, backend, 1e-5)


@backends
@few_and_many_keys
@pytest.mark.parametrize("lowest", [-80.0, -1e5, -torch.inf])
def test_a_decay_that_heads_share_with_their_keys_leaves_the_others_their_precision(
    lowest: float, keys: int, backend: str
) -> None:
    inputs = draws("gated-delta", 1, 130, 2, keys, 8, decay=0.01)
    inputs |= {name: inputs[name][:, :, :1] for name in ("q", "k")}
    log_decay = inputs.pop("log_decay").unsqueeze(-1)
    log_decay[:, ::9] = lowest
    compare("shared", {**inputs, "log_decay": log_decay}, backend, 1e-5)


@backends
@operators
@few_and_many_keys
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_at_the_ends_only(dtype: torch.dtype, keys: int, operator: str, backend: str) -> None:
    inputs = draws(operator, 1, 100, 2, keys, 16)
    assert OPERATORS[operator](**leaves(inputs, dtype), backend=backend).dtype is dtype
    compare(operator, inputs, backend, 4 * torch.finfo(dtype).eps, dtype)


@backends
@operators
@few_and_many_keys
def test_rows_of_any_stride_are_read_and_nothing_is_written_to_them(keys: int, operator: str, backend: str) -> None:
    inputs = {name: x.float() for name, x in draws(operator, 2, 80, 3, keys, 8).items()}
    strided = {}
    for name, x in inputs.items():
        wide = torch.full((*x.shape[:-1], 2 * x.shape[-1] + 3), torch.nan)
        strided[name] = wide[..., 1 : 1 + x.shape[-1]].copy_(x)
    strided = {name: x.requires_grad_() for name, x in strided.items()}
    right = outcome(operator, leaves(inputs, torch.float32), backend)
    for name, result in outcome(operator, strided, backend).items():
        torch.testing.assert_close(result, right[name], rtol=1e-5, atol=1e-6)
    for name, x in inputs.items():
        assert torch.equal(strided[name], x)


@operators
def test_pieces_of_the_batch_and_of_the_length_are_joined(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = draws(operator, 3, 300, 2, 4, 4)
    for piece in (1, 2**14, 2**15, 2**30):
        monkeypatch.setattr(chunked, "_PIECE", piece)
        compare(operator, inputs, "chunked", 1e-5)


@backends
@operators
def test_saved_memory_is_linear_in_the_length(operator: str, backend: str) -> None:
    """Count what autograd holds between the passes: inputs, and a state a chunk."""

    def saved(length: int) -> int:
        inputs, storages = leaves(draws(operator, 1, length, 2, 32, 32), torch.float32), {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x: storages.update({x.untyped_storage().data_ptr(): x.untyped_storage().nbytes()}) or x, lambda x: x
        ):
            y = OPERATORS[operator](**inputs, backend=backend)
        del y
        return sum(storages.values())

    assert saved(1024) <= 1.1 * 4 * saved(256)
