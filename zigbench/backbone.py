"""The protocol of backbones, and functions that build them.

A backbone maps a noisy sample and a time to an output of the sample's shape. It knows no path, loss or sampler:
the interpolant defines the meaning of its output (velocity, noise, …).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zigbench.spec import BackboneConfig, Geometry, NetworkSpec, Position, RunSpec, ScanSpec
from zigbench.spec.registry import load_object
from zigbench.spec.rng import derive_seed

__all__ = [
    "NO_LABEL",
    "Backbone",
    "Geometry",
    "Released",
    "blocks",
    "build",
    "build_from",
    "count_parameters",
    "initialised",
    "recomputed",
]

NO_LABEL = -1
"""Label that stands for the null embedding, for classifier-free guidance."""


@runtime_checkable
class Backbone(Protocol):
    """The interface of a network for the trainer and the samplers.

    Shapes: x (B, C, H, W) or (B, T, C, H, W); t (B,) in [0, 1], 0 noise and 1 data; label (B,) int64 in
    [-1, classes), -1 for the null embedding; context (B, tokens, width) or None. A network of intervals (``times = 2``
    in its config) takes the keyword ``end`` too, (B,) in [t, 1]: its output is of the interval from t to ``end``, and
    of the moment t without one. The output is shaped like x,
    with twice the channels where the config says ``learned_sigma``. A network with repeated parts lists them, in the
    order of execution, as ``blocks``.
    """

    geometry: Geometry

    def __call__(
        self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor: ...


@dataclass(frozen=True)
class Released:
    """The contents of a release's file, as its importer reads them.

    Attributes:
        backbone: registered family.
        config: the family's config that the file fits.
        weights: tensors by this project's names.
        interpolant: keys of the spec's interpolant that the network was trained with.
        missing: names of the weights that are not in the file and stay as initialised.
        scan, position: those of the network's training; None for a family without them.
    """

    backbone: str
    config: BackboneConfig
    weights: Mapping[str, Tensor]
    interpolant: Mapping[str, str]
    missing: tuple[str, ...] = ()
    scan: ScanSpec | None = None
    position: Position | None = None


def build(
    name: str,
    geometry: Geometry,
    *,
    seed: int | None = None,
    curve: str | None = None,
    schemes: int | None = None,
    position: str | None = None,
    **config: Any,
) -> nn.Module:
    """Build the registered backbone ``name`` for ``geometry`` from keywords.

    Args:
        name: a registered family ("zigma", "dit", …).
        geometry: shape of the samples and of the patches.
        seed: initialise from this seed and leave the global generator untouched; None draws from the global one.
        curve, schemes: the scan, for a family that takes one; None for the family's default.
        position: the position embedding, for a family that takes one; None for the family's default.
        config: the family's own keywords (``width``, ``depth``, …); an absent keyword has its default.

    Raises:
        ValueError: an unknown name or keyword, or a network that is impossible on this geometry.
    """
    network = NetworkSpec.of(name, curve=curve, schemes=schemes, position=position, **config)
    return build_from(network, geometry, seed=seed)


def build_from(network: NetworkSpec, geometry: Geometry, *, seed: int | None = None) -> nn.Module:
    """Build the network of a spec for ``geometry``; see :func:`build`."""
    problems = [str(fault) for fault in network.faults(geometry)]
    if problems:
        raise ValueError(f"{network.backbone.name} on {geometry}: {'; '.join(problems)}")
    network_class: Callable[..., nn.Module] = load_object(network.config.network)
    if seed is None:
        return network_class(*network.arguments(geometry))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network_class(*network.arguments(geometry))


def initialised(spec: RunSpec, geometry: Geometry | None = None) -> nn.Module:
    """Build the network that a run begins with, from the run's seed; for another geometry than the run's if given."""
    return build_from(spec, geometry or spec.geometry, seed=derive_seed(spec.seed, "initialisation"))


def count_parameters(module: nn.Module) -> int:
    """Count all parameters, trained or frozen; buffers are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


def blocks(network: nn.Module) -> list[nn.Module]:
    """Return the repeated parts that a network lists.

    Raises:
        ValueError: it lists none.
    """
    parts = list(getattr(network, "blocks", ()))
    if not parts:
        raise ValueError(
            f"{type(network).__name__} has no attribute 'blocks' that lists its repeated parts: "
            "activation_checkpointing and distribution = 'sharded' need one"
        )
    return parts


@contextlib.contextmanager
def recomputed(network: nn.Module) -> Iterator[None]:
    """Recompute each of the network's blocks in the backward pass, its random numbers too, within the ``with`` block.

    A forward pass then stores only the blocks' inputs: the memory of one block instead of all, for about a third more
    time.

    Raises:
        ValueError: the network lists no blocks.
    """
    chosen = blocks(network)
    for block in chosen:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in chosen:
            del block.forward
