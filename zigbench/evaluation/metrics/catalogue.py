"""The metrics this project knows, as descriptions that name their computation and do not import it.

A metric is an entry point of the group ``zigbench.metrics`` whose value is a :class:`Metric`. Adding one takes a
description and a function ``(context, metric) -> tuple[Measurement, ...]``; see :mod:`zigbench.evaluation.context`
for what the function finds at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zigbench.spec import Geometry

HERE = "zigbench.evaluation.metrics"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        name: the name of its measurement.
        title: for tables and figures.
        higher_is_better: the direction; None where there is none.
        compute: ``"module:function"``, imported when the metric is computed.
        extractor: the network whose features it compares; None for metrics of the loss or the classifier.
        feature: which of the extractor's features.
        unit: "" for a pure number.
        frames: fewest frames of the clips it compares; None where it compares images.
    """

    name: str
    title: str
    higher_is_better: bool | None
    compute: str
    extractor: str | None = None
    feature: str | None = None
    unit: str = ""
    frames: int | None = None

    def faults(self, geometry: Geometry) -> Iterator[str]:
        """What makes this metric impossible on images of this shape, in words; nothing when it is fine."""
        if self.extractor == "digits" and (geometry.sample_shape != (1, 8, 8) or geometry.classes != 10):
            yield "reads labelled grey digits of 8×8; other images take frechet_random, kid_random or fid"
        if self.frames is not None and geometry.frames is None:
            yield "compares clips; images take fid or frechet_random"
        elif self.frames is not None and geometry.frames is not None and geometry.frames < self.frames:
            yield f"needs clips of at least {self.frames} frames; these have {geometry.frames}"


def _frechet(name: str, title: str, extractor: str, feature: str = "features", frames: int | None = None) -> Metric:
    return Metric(name, title, False, f"{HERE}.frechet:measure", extractor, feature, frames=frames)


def _kid(name: str, title: str, extractor: str, feature: str = "features") -> Metric:
    return Metric(name, title, False, f"{HERE}.kid:measure", extractor, feature)


def _manifold(name: str, title: str) -> Metric:
    return Metric(name, title, True, f"{HERE}.precision_recall:measure", "inception", "pool")


held_out_loss = Metric("held_out_loss", "held-out velocity loss", False, f"{HERE}.held_out:measure")
held_out_loss_token_0 = Metric(
    "held_out_loss_token_0", "held-out velocity loss of token 0", False, f"{HERE}.held_out:measure"
)

frechet_digits = _frechet("frechet_digits", "Fréchet distance, digit classifier", "digits")
kid_digits = _kid("kid_digits", "KID, digit classifier", "digits")
recognised = Metric("recognised", "classifier accuracy", True, f"{HERE}.class_accuracy:measure", "digits", "logits")

# A Fréchet distance in random features is not FID, and never goes by that name.
frechet_random = _frechet("frechet_random", "Fréchet distance, random features", "random")
kid_random = _kid("kid_random", "KID, random features", "random")

fid = _frechet("fid", "FID", "inception", "pool")
sfid = _frechet("sfid", "sFID", "inception", "spatial")
kid = _kid("kid", "KID", "inception", "pool")
inception_score = Metric(
    "inception_score", "inception score", True, f"{HERE}.inception_score:measure", "inception", "logits"
)
precision = _manifold("precision", "precision")
recall = _manifold("recall", "recall")
density = _manifold("density", "density")
coverage = _manifold("coverage", "coverage")

fdd_small = _frechet("fdd_small", "FDD, DINOv2 ViT-S/14", "dinov2-small")
fdd_base = _frechet("fdd_base", "FDD, DINOv2 ViT-B/14", "dinov2-base")
fdd = _frechet("fdd", "FDD, DINOv2 ViT-L/14", "dinov2-large")
fdd_giant = _frechet("fdd_giant", "FDD, DINOv2 ViT-g/14", "dinov2-giant")
# The published FDD fed the network pixels of 0 to 255: a scale of its own, kept to meet the published column.
fdd_released = _frechet("fdd_released", "FDD as released (pixels not divided by 255)", "dinov2-large-released")

# Of clips: their frames each by itself, and whole.
frame_fid = _frechet("frame_fid", "FID of the frames", "inception", "pool", frames=1)
fvd = _frechet("fvd", "FVD", "i3d", "logits", frames=9)
# The published FVD fed I3D pixels of 0 to 255 where it expects [-1, 1]: kept to meet the published column.
fvd_released = _frechet("fvd_released", "FVD as released (pixels left at 0–255)", "i3d-released", "logits", frames=9)
frechet_random_3d = _frechet(
    "frechet_random_3d", "Fréchet distance of clips, random 3D features", "random-3d", frames=2
)
