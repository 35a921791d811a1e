"""Inputs that the tests of ssd, gated linear attention and the gated delta rule share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, normalize, softplus

from backbones.ops import gated_delta, gated_linear_attention, ssd
from backbones.ops.matrix_state.operator import matrix_state

OPERATORS = {"ssd": ssd, "gla": gated_linear_attention, "gated-delta": gated_delta}


def draws(
    operator: str, batch: int, length: int, heads: int, keys: int, values: int, *, decay: float = 1.0, seed: int = 0
) -> dict[str, Tensor]:
    """Draw normal float64 inputs, keys of length 1 for the delta rule; ``decay`` multiplies the log of all decays."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    if operator == "ssd":
        inputs = {"x": normal(batch, length, heads, values), "delta": softplus(normal(batch, length, heads) - 2)}
        inputs["A"] = -decay * (0.2 + normal(heads).abs())
        inputs |= {"B": normal(batch, length, keys), "C": normal(batch, length, keys), "D": normal(heads)}
        return inputs
    q, k, v = (normal(batch, length, heads, width) for width in (keys, keys, values))
    if operator == "gla":
        return {"q": q, "k": k, "v": v, "log_decay": decay * logsigmoid(normal(batch, length, heads, keys) + 1)}
    log_decay = decay * logsigmoid(normal(batch, length, heads) + 3)
    beta = torch.sigmoid(normal(batch, length, heads))
    return {"q": normalize(q, dim=-1), "k": normalize(k, dim=-1), "v": v, "log_decay": log_decay, "beta": beta}


def leaves(inputs: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return detached copies in ``dtype`` that require gradients."""
    return {name: x.detach().to(dtype).requires_grad_() for name, x in inputs.items()}


def outcome(operator: str, inputs: dict[str, Tensor], backend: str) -> dict[str, Tensor]:
    """Return the output and the gradients of a fixed weighting of it, by the names of the inputs."""
    y = (OPERATORS | {"shared": matrix_state})[operator](**inputs, backend=backend)
    weights = torch.sin(torch.arange(y.numel(), dtype=torch.float64) * 1.7).reshape(y.shape).to(y.dtype)
    gradients = torch.autograd.grad(y, list(inputs.values()), weights)
    return {"output": y.detach()} | dict(zip(inputs, gradients, strict=True))
