"""What a network costs, counted, and what its tokens see: by gradients, and exactly from its orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from backbones.dit import DiT
from backbones.flops import conv_flops, scan_flops
from backbones.layers.mamba import MambaMixer
from backbones.layers.modulation import Modulation
from backbones.network import Network
from backbones.skeleton import Skeleton
from backbones.video import AxialAttention
from backbones.zigma import ZigMa
from zigbench.backbone import Geometry, build, count_parameters


@dataclass(frozen=True)
class Cost:
    """Cost of one training step's forward and backward pass, the scan included.

    Attributes:
        parameters: all of them, frozen ones included.
        forward_flops, backward_flops: operations; a multiplication and an addition are two.
        parameter_bytes: weights in the network's type.
        saved_bytes: what the forward pass keeps for the backward pass, each tensor once, without the weights.
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
    _own(network).checkpointing = checkpointing
    weights = {id(tensor.untyped_storage()) for tensor in [*network.parameters(), *network.buffers()]}
    saved: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in weights:
            saved[id(storage)] = storage  # Held, so that no later storage gets the same identity.
        return tensor

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
    # Twice the forward pass, the convention that matrix products set.
    return 2 * _scan(*forward)


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
    """How strongly one token's output depends on each input token (Luo et al. 2016).

    Args:
        network: a backbone of this package.
        x, t, conditions: inputs, (B, …); the gradient's magnitude is averaged over them.
        token: (row, column), or (frame, row, column) of a clip; the middle one by default.

    Returns:
        (rows, columns) or (frames, rows, columns): the mean over samples of |∂ Σ output(token) / ∂ input|, summed
        over the pixels of each token.
    """
    geometry = _own(network).geometry
    where = token if token is not None else tuple(side // 2 for side in token_grid(geometry))
    x = x.detach().requires_grad_()
    target = _by_token(network(x, t, **conditions), geometry).movedim(0, -1)[where].sum()
    (gradient,) = torch.autograd.grad(target, x)
    return _by_token(gradient, geometry).abs().sum(dim=-1).mean(dim=0)


def seen(network: nn.Module, *, token: tuple[int, ...] | None = None) -> Tensor:
    """Which input tokens one token's output can depend on after 0, 1, … layers, exactly, from the orders alone.

    A forward scan shows a token all that its layer visited before it in the same sequence; two opposite directions,
    or attention, show it everything. Tokens that are not patches (time, label, text, line ends) are left out.

    Returns:
        bool, (layers + 1, rows, columns) or (layers + 1, frames, rows, columns): entry k holds what is seen
        through the last k layers.
    """
    geometry = _own(network).geometry
    grid = token_grid(geometry)
    where = token if token is not None else tuple(side // 2 for side in grid)
    visible = torch.zeros(grid, dtype=torch.bool)
    visible[where] = True
    visible = visible.flatten()
    steps = [visible]
    for orders in reversed(list(layer_orders(network))):
        before = torch.zeros_like(visible)
        for order in [None] if orders is None else orders:
            if order is None:
                before[:] = True
            else:
                rows = order.reshape(-1, order.shape[-1])
                # A step is seen where anything visible comes at it or after it in its own sequence.
                before[rows[visible[rows].flip(1).cumsum(1).flip(1) > 0]] = True
        visible = before
        steps.append(visible)
    return torch.stack(steps).unflatten(1, grid)


def reached(network: nn.Module) -> Tensor:
    """Share of the ordered pairs (from, to) of patches that 0, 1, … layers let reach each other, exactly.

    Returns:
        float64, (layers + 1,): 1/L for no layer, since a token counts as having reached itself.
    """
    length = _own(network).geometry.tokens
    reach = torch.eye(length, dtype=torch.bool)  # Row: from; column: to.
    shares = [reach.double().mean()]
    for orders in layer_orders(network):
        after = reach.clone()
        for order in [None] if orders is None else orders:
            if order is None:
                after[:] = True
                continue
            for row in order.reshape(-1, order.shape[-1]):
                after[:, row] |= reach[:, row].cummax(dim=1).values
        reach = after
        shares.append(reach.double().mean())
    return torch.stack(shares)


def layer_orders(network: nn.Module) -> Iterator[Tensor | None]:
    """Each block's orders over the patches, (directions, tokens) or (directions, sequences, steps).

    None for a block of attention over all tokens.

    Tokens that are not patches carry what they saw only to those visited after them in the same layer, which the
    patches' own order says already; across layers they stand first in every scan and see no patch.
    """
    own = _own(network)
    if isinstance(own, Skeleton):
        blocks = [*own.blocks_in, own.block_mid, *own.blocks_out]
    else:
        assert isinstance(own, ZigMa | DiT)
        blocks = list(own.blocks)
    for block in blocks:
        mixer, attention = getattr(block, "mixer", None), getattr(block, "attention", None)
        if isinstance(mixer, MambaMixer):
            yield mixer.orders.cpu() if mixer.orders.ndim == 3 else _patches_only(own, mixer.orders)
        elif isinstance(attention, AxialAttention):
            yield attention.orders(own.geometry)
        else:
            yield None


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


def token_grid(geometry: Geometry) -> tuple[int, ...]:
    """(rows, columns), with the frames in front for clips."""
    return geometry.grid if geometry.frames is None else (geometry.frames, *geometry.grid)


def _own(network: nn.Module) -> Network:
    """The same network, known to be one of this package's."""
    assert isinstance(network, Network)
    return network


def _patches_only(network: Network, orders: Tensor) -> Tensor:
    """Orders over all tokens to orders over the patches, in natural numbering."""
    tokens = orders.shape[1]
    natural = torch.full((tokens,), -1)
    extras = getattr(network, "extras", 0)
    rows, columns = network.geometry.grid
    pads = getattr(network.config, "pads", 0)
    if pads:
        inside = torch.full((rows + pads, columns + pads), -1)
        inside[:rows, :columns] = torch.arange(rows * columns).reshape(rows, columns)
        natural[extras:] = inside.flatten()
    else:
        natural[extras:] = torch.arange(tokens - extras)
    numbered = natural[orders.cpu()]
    return torch.stack([row[row >= 0] for row in numbered])


def _by_token(x: Tensor, geometry: Geometry) -> Tensor:
    """(B, [T,] C, H, W) to (B, [T,] rows, columns, features of a patch)."""
    p = geometry.patch
    rows, columns = geometry.grid
    split = x.unflatten(-1, (columns, p)).unflatten(-3, (rows, p))
    # … C rows p columns p to … rows columns (C p p)
    return split.movedim((-4, -2), (-5, -4)).flatten(-3)
