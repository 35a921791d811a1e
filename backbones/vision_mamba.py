"""Vision Mamba as a diffusion backbone."""

from __future__ import annotations

from backbones.bidirectional import Bidirectional


class VisionMamba(Bidirectional):
    """Vision Mamba (Zhu et al. 2024) under ZigMa's conditioning and head.

    From Vim: RMSNorm before a bidirectional mixer, both ways along the rows, the two outputs *averaged*, and a
    clean pre-norm residual. Vim classifies; its class token and head are dropped and adaLN-zero is added, so
    that only the mixers and norms are Vim's. Its release averages for the tiny and small models by a flag that
    is misspelt for the base model, where the constructor's default averages all the same.
    """

    halve = True
