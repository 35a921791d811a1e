"""Configs of the built-in objectives, which planning reads without torch."""

from __future__ import annotations

from typing import ClassVar

from zigbench.spec.plugins import ObjectiveConfig
from zigbench.spec.registry import objectives


@objectives.register("interpolant")
class InterpolantConfig(ObjectiveConfig):
    """The regression of ``interpolant.prediction`` along the path, weighted by ``interpolant.weighting``; the default.

    Flow matching, score matching, the prediction of noise and of data: Lipman et al. (2023), Albergo et al. (2023).
    """

    implementation: ClassVar[str] = "zigbench.objectives.interpolant:InterpolantObjective"
