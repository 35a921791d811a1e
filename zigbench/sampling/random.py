"""Noise that does not depend on how samples are batched.

A sample has a seed; its starting noise and its later noise come from two streams of their own, drawn on the CPU,
so the same seeds give the same images in any batch, order or number of processes, on any device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from zigbench.spec.rng import derive_seed

Increments = Callable[[Tensor], Tensor]
"""Standard normal noise shaped like its argument; a new draw at every call."""


def stream(seed: int, purpose: str) -> Generator:
    """Return a CPU generator for one of the streams of a sample's seed."""
    return Generator().manual_seed(derive_seed(seed, "sampling", purpose))


def _stack(generators: Sequence[Generator], shape: Sequence[int], like: Tensor | None = None) -> Tensor:
    dtype = torch.float32 if like is None else like.dtype
    return torch.stack([torch.randn(tuple(shape), generator=one, dtype=dtype) for one in generators])


def starting_noise(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Return the starting noise of samples: (B, *shape), float32, on the CPU; row i depends on ``seeds[i]`` alone."""
    return _stack([stream(seed, "start") for seed in seeds], shape)


def increments(generator: Generator | Sequence[int], count: int) -> Increments:
    """Return the source of a stochastic solver's noise.

    Args:
        generator: one generator for the batch, or a seed for each sample.
        count: samples in the batch.

    Raises:
        ValueError: another number of seeds than samples.
    """
    if isinstance(generator, Generator):
        return lambda like: torch.randn(like.shape, generator=generator, device=generator.device, dtype=like.dtype).to(
            like.device
        )
    if len(generator) != count:
        raise ValueError(f"{len(generator)} seeds for {count} samples; give one seed per sample")
    generators = [stream(seed, "steps") for seed in generator]
    return lambda like: _stack(generators, like.shape[1:], like).to(like.device)
