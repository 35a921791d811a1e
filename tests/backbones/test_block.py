"""The plain block for other people's networks."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import backbones
from backbones.config.mixers import MIXERS
from zigbench.scan import make_order


def test_it_is_causal_along_its_curve_and_answers_in_natural_order() -> None:
    torch.manual_seed(0)
    block = backbones.ScanMamba(8, "hilbert", grid=(3, 5)).double()
    x = torch.randn(1, 15, 8, dtype=torch.float64)
    order = make_order("hilbert", (3, 5)).order
    base = block(x)
    assert base.shape == x.shape
    for step in (0, 7, 14):
        changed = x.clone()
        changed[0, order[step]] += 1
        differs = (block(changed) != base).any(dim=-1)[0]
        assert sorted(differs.nonzero().flatten().tolist()) == sorted(order[step:].tolist())


@pytest.mark.parametrize("mixer", MIXERS)
def test_a_block_of_any_mixer_sees_what_its_order_lets_it_see(mixer: str) -> None:
    torch.manual_seed(0)
    block = backbones.ScanMixer(8, mixer, "hilbert", grid=(3, 5)).double()
    x = torch.randn(1, 15, 8, dtype=torch.float64, requires_grad=True)
    order = make_order("hilbert", (3, 5)).order
    (gradient,) = torch.autograd.grad(block(x)[0, int(order[7])].square().sum(), x)
    seen = set(gradient[0].abs().sum(dim=-1).nonzero().flatten().tolist())
    assert seen == set((order[:8] if MIXERS[mixer].sees_order else order).tolist())


@pytest.mark.parametrize(
    ("mixer", "keys", "words"),
    [
        ("gal", {}, "unknown mixer 'gal'; did you mean 'gla'?"),
        ("gla", {"d_state": 3}, "the mixer 'gla' has no 'd_state'; it has expand, head_width"),
        ("mamba2", {"head_width": 5}, "'mamba2' of 8 features: head_width = 5: does not divide the inner width 16"),
    ],
)
def test_a_mixer_that_is_impossible_is_refused(mixer: str, keys: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        backbones.ScanMixer(8, mixer, [1, 0], **keys)


def test_scan_mamba_is_the_mixer_of_that_name() -> None:
    outs = []
    for block in (lambda: backbones.ScanMamba(8, [1, 0, 2], d_state=4), lambda: mixer_of([1, 0, 2], d_state=4)):
        torch.manual_seed(0)
        outs.append(block()(torch.ones(1, 3, 8)))
    assert torch.equal(*outs)


def mixer_of(order: list[int], **keys: int) -> torch.nn.Module:
    return backbones.ScanMixer(8, "mamba", order, **keys)


def test_a_curve_an_order_and_plain_indices_are_one() -> None:
    order = make_order("zigzag", (4, 4), 3)
    forms = [
        ("zigzag", {"grid": (4, 4), "variant": 3}),
        (order, {}),
        (np.array(order.order), {}),
        (torch.tensor(order.order), {}),
        (order.order.tolist(), {}),
    ]
    x = torch.randn(2, 16, 8)
    outs = []
    for form, rest in forms:
        torch.manual_seed(0)
        outs.append(backbones.ScanMamba(8, form, **rest)(x))
    assert all(torch.equal(out, outs[0]) for out in outs)


def test_both_ways_sees_everything() -> None:
    block = backbones.ScanMamba(8, list(range(9)), bidirectional=True).double()
    x = torch.randn(1, 9, 8, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(block(x)[0, 4].sum(), x)
    assert grad[0].abs().sum(dim=-1).all()


@pytest.mark.parametrize(
    ("order", "rest", "words"),
    [
        ("hilbert", {}, "needs a grid"),
        ("hilbret", {"grid": (2, 2)}, "did you mean 'hilbert'"),
        ([0, 1, 1], {}, "no permutation of 0 … 2"),
        ([[0, 1]], {}, "no permutation"),
    ],
)
def test_a_bad_order_is_refused(order: object, rest: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        backbones.ScanMamba(8, order, **rest)


def test_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 5, 8\).*\(batch, 4, dim\)"):
        backbones.ScanMamba(8, [3, 1, 0, 2])(torch.zeros(1, 5, 8))
