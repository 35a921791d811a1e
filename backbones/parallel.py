"""Mamba blocks that scan several directions at once."""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.config.parallel import ParallelConfig
from backbones.zigma import ZigMa

CROSS_SCAN = (0, 6, 1, 7, 2, 4, 3, 5)
"""Variants of a row-major curve as VMamba takes them: rows and their reverse, columns and theirs, the mirrors."""


class Parallel(ZigMa):
    """ZigMa whose every block scans k directions of the curve, each with its own convolution, x_proj, Δ_proj, A, D.

    The paper compares ZigMa with it: k directions inside a block cost k scans, one direction a block costs one. Along
    the rows, four directions are VMamba's cross-scan (rows, columns and their reverses); other curves take their first
    k variants, as ``zigma`` does over its layers. The outputs are added. The release names this mixer and has its
    parameters, but does not implement its forward pass.
    """

    config: ParallelConfig

    def orders(self) -> list[Tensor]:
        assert self.scan is not None
        variants = CROSS_SCAN if self.scan.curve in ("sweep", "raster") else range(len(CROSS_SCAN))
        directions = self.config.directions(self.scan)
        chosen = [variants[k % self.scan.schemes] for k in range(directions)]
        return [torch.stack(self.scan_orders(directions, variants=chosen))] * self.config.depth
