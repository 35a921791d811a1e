"""Forward mode of scan and convolution: finite differences in float64, and every backend against the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from backbones.ops import causal_conv, reference
from backbones.ops.scan.inputs import ScanInputs
from tests.backbones.ops.cases import ScanCase, error, scan_inputs

SHAPES = {
    "one step": {"batch": 2, "length": 1, "channels": 5, "states": 16},
    "odd everything": {"batch": 3, "length": 31, "channels": 70, "states": 7, "views": True},
    "natural order": {"batch": 2, "length": 13, "channels": 24, "states": 16, "ordered": False},
    "nothing optional": {"batch": 2, "length": 13, "channels": 24, "states": 16, "optional": False},
}
NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def draw(like: Tensor, seed: int) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(like.dtype)


def moved(call: Callable[..., Tensor], given: Sequence[Tensor], directions: Sequence[Tensor | None]) -> Tensor:
    """The derivative of ``call`` along the directions."""
    with torch.no_grad(), forward_ad.dual_level():
        pairs = zip(given, directions, strict=True)
        y = call(*(x if d is None else forward_ad.make_dual(x, d) for x, d in pairs))
        return forward_ad.unpack_dual(y).tangent.clone()


def difference(call: Callable[..., Tensor], given: Sequence[Tensor], directions: Sequence[Tensor | None]) -> Tensor:
    """The same by central differences of order 4."""

    def at(h: float) -> Tensor:
        return call(*(x if d is None else x + h * d for x, d in zip(given, directions, strict=True)))

    h = 1e-4
    with torch.no_grad():
        return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def scan(x: ScanCase, backend: str, softplus: bool = True) -> Callable[..., Tensor]:
    names = [name for name in NAMES if getattr(x, name) is not None]
    return lambda *given: x.call(**dict(zip(names, given, strict=True)), delta_softplus=softplus, backend=backend)


def plain(x: ScanCase) -> list[Tensor]:
    return [tensor.detach() for tensor in x.tensors()]


@pytest.mark.parametrize("softplus", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_the_written_out_tangent_of_the_scan_is_its_difference_quotient(shape: dict[str, int], softplus: bool) -> None:
    x = scan_inputs(**shape).to(torch.float64)
    if not softplus:
        x.delta, x.delta_bias = x.delta.detach().abs() * 0.1, None
    given = plain(x)
    directions = [draw(tensor, i) for i, tensor in enumerate(given)]
    exact = difference(scan(x, "reference", softplus), given, directions)
    fill = dict(zip([name for name in NAMES if getattr(x, name) is not None], directions, strict=True))
    moves = ScanInputs(*(fill.get(name) for name in NAMES), softplus, x.order)
    with torch.no_grad():
        written = reference.scan_tangent(x.inputs()._replace(delta_softplus=softplus), moves)
    assert error(written, exact) < 1e-8
    assert error(moved(scan(x, "reference", softplus), given, directions), exact) < 1e-8


@pytest.mark.parametrize("only", [None, ("u",), ("A",), ("delta", "B", "z")], ids=str)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_the_cpu_kernel_moves_as_the_reference(shape: dict[str, int], only: tuple[str, ...] | None) -> None:
    x = scan_inputs(**shape)
    names = [name for name in NAMES if getattr(x, name) is not None]
    given = x.tensors()
    directions = [
        draw(t, i) if not only or n in only else None for i, (n, t) in enumerate(zip(names, given, strict=True))
    ]
    if not any(direction is not None for direction in directions):
        pytest.skip("no such input")
    doubles = [None if d is None else d.double() for d in directions]
    exact = moved(scan(x, "reference"), [tensor.double() for tensor in given], doubles)
    assert error(moved(scan(x, "cpu"), given, directions), exact) < 5e-6


def test_sequences_and_bfloat16_move_too() -> None:
    x = scan_inputs(2, 24, 20, 4)
    x.order = torch.randperm(24, generator=torch.Generator().manual_seed(3)).view(4, 6)
    given = x.tensors()
    directions = [draw(tensor, i) for i, tensor in enumerate(given)]
    exact = moved(scan(x, "reference"), [t.double() for t in given], [d.double() for d in directions])
    assert error(moved(scan(x, "cpu"), given, directions), exact) < 5e-6
    half = [tensor.bfloat16() for tensor in given]
    exact = moved(scan(x, "reference"), [t.double() for t in half], [d.bfloat16().double() for d in directions])
    found = moved(scan(x, "cpu"), half, [d.bfloat16() for d in directions])
    assert found.dtype is torch.bfloat16
    assert error(found, exact) < 2e-2


@pytest.mark.parametrize("activation", ["silu", None])
@pytest.mark.parametrize("bias", [True, False])
def test_the_convolution_moves_as_its_difference_quotient(activation: str | None, bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(2, 15, 20, generator=generator), torch.randn(20, 4, generator=generator)]
    given += [torch.randn(20, generator=generator)] if bias else []
    order = torch.randperm(15, generator=generator).view(3, 5)

    def conv(backend: str) -> Callable[..., Tensor]:
        return lambda *x: causal_conv(*x, activation=activation, order=order, backend=backend)

    for only in (None, 0, 1):
        directions = [draw(t, i) if only in (None, i) else None for i, t in enumerate(given)]
        doubles = [t.double() for t in given], [None if d is None else d.double() for d in directions]
        exact = difference(conv("reference"), *doubles)
        assert error(moved(conv("reference"), *doubles), exact) < 1e-8
        assert error(moved(conv("cpu"), given, directions), exact) < 5e-6


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_the_value_beside_a_tangent_stays_differentiable(backend: str) -> None:
    x = scan_inputs(2, 17, 12, 3).to(torch.float32)
    weight = torch.randn(12, 4, requires_grad=True)
    leaves = [weight, *x.tensors()]

    def network(u: Tensor) -> Tensor:
        return x.call(u=causal_conv(u, weight, activation="silu", order=x.order, backend=backend), backend=backend)

    expected = torch.autograd.grad(network(x.u).square().sum(), leaves)
    direction = draw(x.u, 1)
    with forward_ad.dual_level():
        y, tangent = forward_ad.unpack_dual(network(forward_ad.make_dual(x.u, direction)))
    found = torch.autograd.grad(y.square().sum(), leaves)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    functional, same = torch.func.jvp(network, (x.u,), (direction,))
    torch.testing.assert_close(same, tangent)
    for one, other in zip(torch.autograd.grad(functional.square().sum(), leaves), expected, strict=True):
        torch.testing.assert_close(one, other)
