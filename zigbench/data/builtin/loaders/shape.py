"""Noise of a given shape in place of images: for measurements of speed, which do not depend on the images."""

from __future__ import annotations

import torch

from zigbench.data.builtin.shape import ShapeConfig
from zigbench.data.split import Split, TensorSplit, choose
from zigbench.spec.rng import derive_seed

IMAGES = 64
"""Images of a split."""


class Shape:
    """Standard normal noise of the config's shape, a function of that shape alone; labels go round the classes."""

    def __init__(self, config: ShapeConfig) -> None:
        self.splits: dict[str, Split] = {name: _noise(config, name) for name in ("train", "held-out")}

    def split(self, split: str) -> Split:
        """Return ``train`` or ``held-out``, 64 images each.

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)


def _noise(config: ShapeConfig, name: str) -> TensorSplit:
    geometry = config.geometry(1)
    generator = torch.Generator().manual_seed(derive_seed(0, f"shape/{name}"))
    x = torch.randn(IMAGES, *geometry.sample_shape, generator=generator)
    label = None if config.classes is None else torch.arange(IMAGES) % config.classes
    context = None if config.context is None else torch.randn(IMAGES, *config.context, generator=generator)
    return TensorSplit("shape", x, label, context)
