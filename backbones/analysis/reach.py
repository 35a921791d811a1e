"""The cost of a network, counted, and the receptive field of its tokens: by gradients, and exactly from its orders."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from backbones.bidirectional import both_ways
from backbones.config.layers import conv_flops, matrix_state_flops, scan_flops
from backbones.dim import DiM
from backbones.layers.modulation import Modulation
from backbones.network import Network
from backbones.video import AxialAttention
from zigbench.backbone import Geometry, blocks, build, count_parameters, recomputed


@dataclass(frozen=True)
class Cost:
    """Cost of one training step's forward and backward pass, the scan included.

    Attributes:
        parameters: all of them, frozen ones included.
        forward_flops, backward_flops: operations; a multiplication and an addition are two.
        parameter_bytes: weights in the network's type.
        saved_bytes: tensors that the forward pass saves for the backward pass, each once, without the weights.
    """

    parameters: int
    forward_flops: int
    backward_flops: int
    parameter_bytes: int
    saved_bytes: int


def cost(name: str, geometry: Geometry, *, batch: int = 1, checkpointing: bool = False, **config: Any) -> Cost:
    """Count a network's operations and memory without computing anything: shapes only, at any size.

    Args:
        name, geometry, config: as for :func:`zigbench.backbone.build`.
        batch: samples.
        checkpointing: with blocks recomputed in the backward pass.
    """
    with torch.device("meta"):
        network = build(name, geometry, **config)
        given: dict[str, Tensor] = {"x": torch.zeros(batch, *geometry.sample_shape), "t": torch.zeros(batch)}
        if geometry.classes is not None:
            given["label"] = torch.zeros(batch, dtype=torch.int64)
        if geometry.context is not None:
            given["context"] = torch.zeros(batch, *geometry.context)
    weights = {id(tensor.untyped_storage()) for tensor in [*network.parameters(), *network.buffers()]}
    saved: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in weights:
            saved[id(storage)] = storage  # A reference, so that no later storage gets the same identity.
        return tensor

    with recomputed(network) if checkpointing else contextlib.nullcontext():
        with FlopCounterMode(display=False) as forward, torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            out = network(**given)
        saved_bytes = sum(storage.nbytes() for storage in saved.values())
        with FlopCounterMode(display=False) as backward:
            out.sum().backward()
    return Cost(
        parameters=count_parameters(network),
        forward_flops=forward.get_total_flops(),
        backward_flops=backward.get_total_flops(),
        parameter_bytes=sum(p.numel() * p.element_size() for p in network.parameters()),
        saved_bytes=saved_bytes,
    )


@register_flop_formula(torch.ops.zigbench.selective_scan)
def _scan(u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, z: Any, *rest: Any, **_: Any) -> int:
    batch, length, channels = u
    return scan_flops(batch, length, channels, A[1], skip=D is not None, gate=z is not None)


@register_flop_formula(torch.ops.zigbench.selective_scan_backward)
def _scan_backward(dy: Any, *forward: Any, **_: Any) -> int:
    # Twice the forward pass, as for matrix products.
    return 2 * _scan(*forward)


@register_flop_formula(torch.ops.zigbench.matrix_state)
def _matrix_state(q: Any, k: Any, v: Any, log_decay: Any, beta: Any, delta_rule: bool, *rest: Any, **_: Any) -> int:
    batch, length, heads, values = v
    return matrix_state_flops(batch, length, heads, k[3], values, delta_rule=delta_rule)


@register_flop_formula(torch.ops.zigbench.matrix_state_backward)
def _matrix_state_backward(do: Any, *forward: Any, **_: Any) -> int:
    return 2 * _matrix_state(*forward)


@register_flop_formula(torch.ops.zigbench.causal_conv)
def _conv(x: Any, weight: Any, *rest: Any, **_: Any) -> int:
    batch, length, channels = x
    return conv_flops(batch, length, channels, weight[1])


@register_flop_formula(torch.ops.zigbench.causal_conv_backward)
def _conv_backward(dy: Any, *forward: Any, **_: Any) -> int:
    return 2 * _conv(*forward)


def effective_receptive_field(
    network: nn.Module, x: Tensor, t: Tensor, *, token: tuple[int, ...] | None = None, **conditions: Tensor
) -> Tensor:
    """Return the strength of the dependence of one token's output on each input token (Luo et al. 2016).

    Args:
        network: a backbone of this package.
        x, t, conditions: inputs, (B, …); the gradient's magnitude is averaged over them.
        token: (row, column), or (frame, row, column) of a clip; the middle one by default.

    Returns:
        (rows, columns) or (frames, rows, columns): the mean over samples of |∂ Σ output(token) / ∂ input|, summed
        over the pixels of each token.
    """
    geometry = _own(network).geometry
    where = token if token is not None else tuple(side // 2 for side in geometry.token_grid)
    x = x.detach().requires_grad_()
    target = _by_token(network(x, t, **conditions), geometry).movedim(0, -1)[where].sum()
    (gradient,) = torch.autograd.grad(target, x)
    return _by_token(gradient, geometry).abs().sum(dim=-1).mean(dim=0)


def seen(network: nn.Module, *, token: tuple[int, ...] | None = None) -> Tensor:
    """Return the input tokens that one token's output can depend on after 0, 1, … steps: exact, from the orders.

    A step is a block, or a convolution over the tokens such as DiM's before the first and behind the last block. In a
    forward scan a token depends on all tokens before it in the same sequence; with two opposite directions, or a mixer
    that sees no order, on all tokens of it; in a 3×3 convolution on its neighbours. Tokens that are not patches (time,
    label, line ends) pass on their dependences.

    Returns:
        bool, (steps + 1, rows, columns) or (steps + 1, frames, rows, columns): entry k holds the tokens that
            are seen through the last k steps.
    """
    own = _own(network)
    grid = own.geometry.token_grid
    where = token if token is not None else tuple(side // 2 for side in grid)
    patches = _patches(own)
    marks = torch.zeros(1, len(patches), dtype=torch.bool)
    marks[0, patches.nonzero().view(*grid)[where]] = True
    by_step = [marks]
    for step in reversed(mixing(own, backward=True)):
        by_step.append(step(by_step[-1]))
    return torch.cat(by_step)[:, patches].unflatten(1, grid)


def reached(network: nn.Module) -> Tensor:
    """Return the share of the ordered pairs (from, to) of patches that reach each other after 0, 1, … steps, exactly.

    Steps as for :func:`seen`.

    Returns:
        float64, (steps + 1,): 1/L for none, since a token counts as having reached itself.
    """
    own = _own(network)
    patches = _patches(own)
    marks = torch.eye(len(patches), dtype=torch.bool)[patches]  # Row: source patch; column: target token.
    shares = [marks[:, patches].double().mean()]
    for step in mixing(own):
        marks = step(marks)
        shares.append(marks[:, patches].double().mean())
    return torch.stack(shares)


Step = Callable[[Tensor], Tensor]
"""A step: given marks, (n, tokens) bool, it also marks the tokens that depend on a marked one after it."""


def mixing(network: Network, *, backward: bool = False) -> list[Step]:
    """Return the steps of a network that mix its tokens, in the order of execution.

    Args:
        backward: each step marks the tokens on which a marked token depends, to walk from the output to the input.
    """
    steps = [_step(block, network.geometry, backward) for block in blocks(network)]
    if isinstance(network, DiM) and network.config.smooth:
        neighbours = partial(_neighbours, patches=_patches(network), grid=network.geometry.grid)
        return [neighbours, *steps, neighbours]
    return steps


def _step(block: nn.Module, geometry: Geometry, backward: bool) -> Step:
    mixer, attention = getattr(block, "mixer", None), getattr(block, "attention", None)
    orders, sequences = getattr(mixer, "orders", None), getattr(mixer, "sequences", None)
    if orders is not None:
        orders = orders.cpu()
    elif sequences is not None:
        orders = both_ways(sequences.cpu())
    elif isinstance(attention, AxialAttention):
        orders = attention.orders(geometry)
    else:
        return _everything
    return partial(_scans, orders=orders.flip(-1) if backward else orders)


def _scans(marks: Tensor, *, orders: Tensor) -> Tensor:
    """Return a step along each of the orders, (directions, tokens) or (directions, sequences, steps)."""
    after = marks.clone()
    for order in orders:
        after[:, order] |= marks[:, order].cummax(dim=-1).values
    return after


def _everything(marks: Tensor) -> Tensor:
    """Return a step of attention over all tokens."""
    return marks.any(dim=1, keepdim=True).expand_as(marks)


def _neighbours(marks: Tensor, *, patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return a step of a 3×3 convolution over the patches alone."""
    after = marks.clone()
    near = max_pool2d(marks[:, patches].unflatten(1, grid).float(), kernel_size=3, stride=1, padding=1)
    after[:, patches] = near.flatten(1) > 0
    return after


def _patches(network: Network) -> Tensor:
    """Return (tokens,) bool: True for the blocks' tokens that are patches, which are in natural order."""
    rows, columns = network.geometry.grid
    pads = getattr(network.config, "pads", 0)
    lines = torch.zeros(network.geometry.frames or 1, rows + pads, columns + pads, dtype=torch.bool)
    lines[:, :rows, :columns] = True
    return torch.cat([torch.zeros(getattr(network, "extras", 0), dtype=torch.bool), lines.flatten()])


def open_gates(network: nn.Module) -> nn.Module:
    """Set every adaLN gate to one, in place: a fresh network is then a plain stack of its blocks.

    At initialisation the gates are zero and a token sees only itself, whatever the scan.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Modulation) and module.parts % 3 == 0:
                gates = module.linear.bias.unflatten(0, (module.parts // 3, 3, -1))
                gates[:, 2] = 1.0
        head = getattr(network, "head", None)
        if isinstance(head, nn.Linear) and not head.weight.any():
            head.reset_parameters()
    return network


def _own(network: nn.Module) -> Network:
    """Check that a network is one of this package's, and return it.

    Raises:
        ValueError: it is another one, whose scans are not known.
    """
    if not isinstance(network, Network):
        raise ValueError(
            f"the receptive field of {type(network).__name__} can't be read: only a network derived from "
            "backbones.network.Network declares its scans; leave its runs out with --only"
        )
    return network


def _by_token(x: Tensor, geometry: Geometry) -> Tensor:
    """Map (B, [T,] C, H, W) to (B, [T,] rows, columns, features of a patch)."""
    p = geometry.patch
    rows, columns = geometry.grid
    split = x.unflatten(-1, (columns, p)).unflatten(-3, (rows, p))
    # … C rows p columns p to … rows columns (C p p)
    return split.movedim((-4, -2), (-5, -4)).flatten(-3)
