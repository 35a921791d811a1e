"""Receptive fields as a figure: ``python -m backbones.analysis.receptive_field --out receptive_field.png``.

For each arm, the receptive field of the middle token of a fresh network: the size of the gradient, and, hatched, the
tokens that it cannot see with any weights.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor, nn

from backbones.analysis.reach import effective_receptive_field, open_gates, reached, seen
from zigbench.backbone import Geometry, build

ARMS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "sweep-1": ("sweep", {"schemes": 1}),
    "zigzag-1": ("zigma", {"schemes": 1}),
    "zigzag-2": ("zigma", {"schemes": 2}),
    "zigzag-4": ("zigma", {"schemes": 4}),
    "zigzag-8": ("zigma", {"schemes": 8}),
    "hilbert-8": ("zigma", {"curve": "hilbert", "schemes": 8}),
    "bidirectional": ("bidirectional", {"schemes": 1}),
    "DiT": ("dit", {}),
}
FAINTEST = 1e-6
"""The share of the largest gradient below which all gradients are drawn alike."""


def fresh_fields(
    geometry: Geometry, *, width: int = 64, depth: int = 8, samples: int = 16, seed: int = 0
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return for each arm the effective receptive field and the seen tokens, (rows, columns) each.

    The networks are fresh, with a clean pre-norm and open gates, and get the same noise as input.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, *geometry.sample_shape, generator=generator)
    t = torch.rand(samples, generator=generator)
    fields = {}
    for label, (name, config) in ARMS.items():
        prenorm: dict[str, Any] = {} if name == "dit" else {"residual": "prenorm"}
        network = build(name, geometry, seed=seed, width=width, depth=depth, **prenorm, **config)
        network = open_gates(network).eval()
        fields[label] = effective_receptive_field(network, x, t), seen(network)[-1]
    return fields


def inspect(network: nn.Module, x: Tensor, t: Tensor, *, fresh: bool) -> dict[str, np.ndarray]:
    """Return the receptive field of the middle token and the reach of the layers, for ``zigbench inspect``.

    Args:
        network: a backbone of this package; the gates of a ``fresh`` one are opened in place.
        x, t: inputs, (B, …) and (B,).
        fresh: whether its weights are untrained.

    Returns:
        ``field`` (rows, columns), as :func:`effective_receptive_field`; ``seen`` (layers + 1, rows, columns), as
        :func:`seen`; ``reached`` (layers + 1,), as :func:`reached`. Clips have their frames in front of the rows.
    """
    if fresh:
        open_gates(network)
    field = effective_receptive_field(network, x, t)
    return {"field": field.numpy(), "seen": seen(network).numpy(), "reached": reached(network).numpy()}


def figure(fields: Mapping[str, tuple[Tensor, Tensor]], *, columns: int = 4) -> Figure:
    """Draw a panel per arm: the gradient relative to its largest on one logarithmic scale; unseen tokens hatched."""
    rows = math.ceil(len(fields) / columns)
    drawn = Figure(figsize=(2.6 * columns, 2.8 * rows), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False)
    shown = None
    for panel in axes.flat:
        panel.set_axis_off()
    for panel, (label, (field, visible)) in zip(axes.flat, fields.items(), strict=False):
        panel.set_axis_on()
        panel.set_xticks([])
        panel.set_yticks([])
        relative = (field / field.max()).clamp(min=FAINTEST)
        shown = panel.imshow(
            relative.masked_fill(~visible, torch.nan).numpy(), norm=LogNorm(FAINTEST, 1.0), cmap="viridis"
        )
        panel.patch.set(hatch="////", facecolor="white", edgecolor="0.7")
        panel.set_title(f"{label}\nsees {visible.double().mean():.0%}", fontsize=10)
    if shown is not None:
        drawn.colorbar(shown, ax=axes, label="|gradient| relative to the largest", shrink=0.8)
    return drawn


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figure of fresh networks on a square grid and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file to write; its ending sets the format")
    parser.add_argument("--side", type=int, default=16, help="tokens on each side of the grid")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=8)
    given = parser.parse_args(arguments)
    geometry = Geometry(channels=1, height=given.side, width=given.side, patch=1)
    figure(fresh_fields(geometry, width=given.width, depth=given.depth)).savefig(given.out, dpi=150)


if __name__ == "__main__":
    main()
