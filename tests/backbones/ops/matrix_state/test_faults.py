"""Bad input of ssd, gated linear attention and the gated delta rule: a ValueError that names the argument."""

from __future__ import annotations

import pytest
import torch

from tests.backbones.ops.matrix_state.cases import OPERATORS, draws

FAULTS = {
    "x of three dimensions": ("ssd", {"x": torch.ones(2, 5, 3)}, r"x: shape \(2, 5, 3\).*\(batch, L, heads, P\)"),
    "x of integers": ("ssd", {"x": torch.ones(2, 5, 3, 4, dtype=torch.int64)}, "x: .*int64.*floating-point"),
    "delta too short": ("ssd", {"delta": torch.ones(2, 4, 3)}, r"delta: shape \(2, 4, 3\).*\(2, 5, 3\)"),
    "A of a state": ("ssd", {"A": -torch.ones(3, 2)}, r"A: shape \(3, 2\).*\(3\)"),
    "A with a zero": ("ssd", {"A": torch.tensor([-1.0, 0.0, -1.0])}, "A, shape .*1 of 3 .* negative"),
    "B a head": ("ssd", {"B": torch.ones(2, 5, 3, 4)}, r"B: .*\(2, 5, N\)"),
    "C of other states": ("ssd", {"C": torch.ones(2, 5, 7)}, r"C: shape \(2, 5, 7\).*\(2, 5, 4\)"),
    "D of another width": ("ssd", {"D": torch.ones(2)}, r"D: .*\(3\)"),
    "q a list": ("gla", {"q": [1.0]}, "q: a list"),
    "k of another width": ("gla", {"k": torch.ones(2, 5, 3, 7)}, r"k: shape \(2, 5, 3, 7\).*\(2, 5, 3, 4\)"),
    "v of other heads": ("gla", {"v": torch.ones(2, 5, 2, 6)}, r"v: .*\(2, 5, 3, V\)"),
    "v elsewhere": ("gla", {"v": torch.ones(2, 5, 3, 6, device="meta")}, "v: .*meta.*on cpu"),
    "decay of a head": ("gla", {"log_decay": -torch.ones(2, 5, 3)}, r"log_decay: .*\(2, 5, 3, 4\)"),
    "decay above 0": ("gla", {"log_decay": torch.full((2, 5, 3, 4), 0.1)}, "log_decay, .*120 of 120.*at most 0"),
    "decay of a row": ("gated-delta", {"log_decay": -torch.ones(2, 5, 3, 4)}, r"log_decay: .*\(2, 5, 3\)"),
    "beta of another batch": ("gated-delta", {"beta": torch.ones(1, 5, 3)}, r"beta: .*\(2, 5, 3\)"),
    "backend unknown": ("gated-delta", {"backend": "fast"}, "backend: 'fast'.*'auto', "),
}


@pytest.mark.parametrize(("operator", "change", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_the_fault_is_named(operator: str, change: dict[str, object], message: str) -> None:
    inputs = {name: x.float() for name, x in draws(operator, 2, 5, 3, 4, 6).items()}
    with pytest.raises(ValueError, match=message):
        OPERATORS[operator](**{**inputs, **change})
