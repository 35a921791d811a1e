"""The built-in metrics, as torch-free descriptions; importing this module registers them.

A metric is a :class:`Metric` and a function ``(context, metric) -> tuple[Measurement, ...]`` that the description
names, so that planning knows the metric without importing torch. A new name for an existing computation is one line
here; a new computation is one line here and a file beside this one. Another package registers its own by
``registry.metrics.register(name)(Metric(...))`` or by an entry point of the group ``zigbench.metrics``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from zigbench.spec import Geometry, registry

HERE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class Metric:
    """The description of one metric.

    For example, a metric of the samples' mean level::

        Metric("brightness", "mean level", None, "my_package.brightness:measure", pixels=True)

    Args:
        name: the name of its measurement, and of the metric in a spec.
        title: the name in tables and figures.
        higher_is_better: the direction; None for a metric without one.
        compute: ``"module:function"``, imported when the metric is computed; the function maps an
            :class:`zigbench.evaluation.context.EvaluationContext` and this description to measurements.
        extractor: the name of the network that extracts the features; None for metrics that read none.
        feature: the name of the extractor's feature.
        unit: the unit; "" for a pure number.
        pixels: whether the metric reads the samples themselves. One that reads no pixels, features, likelihood or parts
            reads the errors on held-out images.
        likelihood: whether the metric reads the likelihood of held-out images.
        captions: whether the metric reads the samples' captions, and no real images.
        parts: names of the metrics that this one combines.
        frames: the least number of frames of a clip; None for metrics of images.
        standard: whether an evaluation that names no metrics measures this one, where it needs no download.
        predictors: the reference predictors, which need no training and are drawn beside every arm: the name of each
            one's measurement, and its title.
    """

    name: str
    title: str
    higher_is_better: bool | None
    compute: str
    extractor: str | None = None
    feature: str | None = None
    unit: str = ""
    pixels: bool = False
    likelihood: bool = False
    captions: bool = False
    parts: tuple[str, ...] = ()
    frames: int | None = None
    standard: bool = True
    predictors: tuple[tuple[str, str], ...] = ()

    @property
    def description(self) -> str:
        """The title, the better direction and what the metric reads, in one line."""
        better = {True: ", higher is better", False: ", lower is better", None: ""}[self.higher_is_better]
        features = f"features of {', '.join(self.extractors)}" if self.extractors else "pixels"
        of = "likelihood of held-out images" if self.likelihood else "errors on held-out images"
        of = f"samples' {features}{' and their captions' if self.captions else ''}" if self.reads_samples else of
        return f"{self.title[:1].upper()}{self.title[1:]}{better} (from {of})"

    @property
    def extractors(self) -> tuple[str, ...]:
        """Names of the networks whose features the metric or its parts read."""
        own = () if self.extractor is None else (self.extractor,)
        return own + tuple(name for part in self.parts for name in registry.metrics.get(part).extractors)

    @property
    def reads_samples(self) -> bool:
        """True if the metric needs samples."""
        return self.pixels or bool(self.extractors)

    @property
    def reads_errors(self) -> bool:
        """True if the metric needs the errors on held-out images."""
        return not (self.reads_samples or self.likelihood)

    def faults(self, geometry: Geometry) -> Iterator[str]:
        """Yield the reasons why this metric cannot be computed on images of this shape; none if it can."""
        if "digits" in self.extractors and not geometry.digits:
            yield "reads labelled grey digits of 8×8 or 28×28; for other images use frechet_random, kid_random or fid"
        if self.captions and (geometry.context is None or geometry.frames is not None):
            yield "compares images with the captions they were drawn for; these data have none"
        if self.frames is not None and geometry.frames is None:
            yield "compares clips; for images use fid or frechet_random"
        elif self.frames is not None and geometry.frames is not None and geometry.frames < self.frames:
            yield f"needs clips of at least {self.frames} frames; these have {geometry.frames}"


def _loss(name: str, title: str, predictors: Mapping[str, str] | None = None) -> Metric:
    measured = tuple((f"{name}_{key}", words) for key, words in (predictors or {}).items())
    return Metric(name, title, False, f"{HERE}.held_out:measure", predictors=measured)


def _frechet(name: str, title: str, extractor: str, feature: str = "features", frames: int | None = None) -> Metric:
    return Metric(name, title, False, f"{HERE}.frechet:measure", extractor, feature, frames=frames)


def _kid(name: str, title: str, extractor: str, feature: str = "features") -> Metric:
    return Metric(name, title, False, f"{HERE}.kid:measure", extractor, feature)


def _neighbours(extractor: str, feature: str, suffix: str = "", words: str = "") -> tuple[Metric, ...]:
    return tuple(
        Metric(
            f"{name}{suffix}",
            f"{name}{words}",
            True,
            f"{HERE}.precision_recall:measure",
            extractor,
            feature,
            standard=False,
        )
        for name in ("precision", "recall", "density", "coverage")
    )


def _optional(name: str, title: str, computed: str, extractor: str, feature: str = "features") -> Metric:
    return Metric(name, title, False, f"{HERE}.{computed}:measure", extractor, feature, standard=False)


def _mean_ratio(name: str, title: str, *parts: str) -> Metric:
    return Metric(name, title, False, f"{HERE}.frechet_ratio:mean", parts=parts, standard=False)


def _classes(name: str, title: str, module: str, extractor: str) -> Metric:
    return Metric(name, title, True, f"{HERE}.{module}:measure", extractor, "logits")


PREDICTORS = {
    "zero": "zero",
    "pixelwise": "each pixel by itself",
    "brightness": "mean brightness and two variances",
    "linear": "best linear map",
}
"""Titles of the held-out loss's reference predictors; see :mod:`zigbench.evaluation.metrics.linear_predictors`."""

METRICS = (
    _loss("held_out_loss", "held-out velocity loss", PREDICTORS),
    _loss("held_out_loss_token_0", "held-out velocity loss of token 0"),
    # In features of a classifier of digits. The key "recognised" is that of recorded runs.
    _frechet("frechet_digits", "Fréchet distance, digit classifier", "digits"),
    _kid("kid_digits", "KID, digit classifier", "digits"),
    _classes("recognised", "classifier accuracy", "class_accuracy", "digits"),
    # A Fréchet distance in random features is not FID, and never goes by that name.
    _frechet("frechet_random", "Fréchet distance, random features", "random"),
    _kid("kid_random", "KID, random features", "random"),
    _frechet("fid", "FID", "inception", "pool"),
    _frechet("sfid", "sFID", "inception", "spatial"),
    _kid("kid", "KID", "inception", "pool"),
    _classes("inception_score", "inception score", "inception_score", "inception"),
    *_neighbours("inception", "pool"),
    _frechet("fdd_small", "FDD, DINOv2 ViT-S/14", "dinov2-small"),
    _frechet("fdd_base", "FDD, DINOv2 ViT-B/14", "dinov2-base"),
    _frechet("fdd", "FDD, DINOv2 ViT-L/14", "dinov2-large"),
    _frechet("fdd_giant", "FDD, DINOv2 ViT-g/14", "dinov2-giant"),
    _kid("kdd", "KDD, DINOv2 ViT-L/14", "dinov2-large"),
    *_neighbours("dinov2-large", "features", "_dinov2", ", DINOv2 ViT-L/14"),
    # The published FDD fed the network pixels of 0 to 255: on a scale of its own, comparable with that column only.
    _frechet("fdd_released", "FDD as released (pixels not divided by 255)", "dinov2-large-released"),
    # Of clips: of their frames one by one, and of whole clips.
    _frechet("frame_fid", "FID of the frames", "inception", "pool", frames=1),
    _frechet("fvd", "FVD", "i3d", "logits", frames=9),
    # The published FVD fed I3D pixels of 0 to 255 where it expects [-1, 1].
    _frechet("fvd_released", "FVD as released (pixels left at 0–255)", "i3d-released", "logits", frames=9),
    _frechet("frechet_random_3d", "Fréchet distance of clips, random 3D features", "random-3d", frames=2),
    # Extrapolated to infinitely many samples.
    _optional("frechet_digits_infinity", "Fréchet distance∞, digit classifier", "frechet_infinity", "digits"),
    _optional("frechet_random_infinity", "Fréchet distance∞, random features", "frechet_infinity", "random"),
    _optional("fid_infinity", "FID∞", "frechet_infinity", "inception", "pool"),
    _optional("fdd_infinity", "FDD∞, DINOv2 ViT-L/14", "frechet_infinity", "dinov2-large"),
    _optional("sliced_wasserstein_digits", "sliced Wasserstein, digit classifier", "sliced_wasserstein", "digits"),
    _optional("sliced_wasserstein_random", "sliced Wasserstein, random features", "sliced_wasserstein", "random"),
    _optional("sliced_wasserstein", "sliced Wasserstein, Inception", "sliced_wasserstein", "inception", "pool"),
    _optional("sliced_wasserstein_dinov2", "sliced Wasserstein, DINOv2 ViT-L/14", "sliced_wasserstein", "dinov2-large"),
    _optional("cmmd", "CMMD, CLIP ViT-L/14 at 336", "mmd", "clip"),
    Metric(
        "clip_score",
        "CLIP score, CLIP ViT-L/14 at 336",
        True,
        f"{HERE}.clip_score:measure",
        "clip",
        "features",
        captions=True,
        standard=False,
    ),
    _optional("mmd_random", "MMD with a Gaussian kernel, random features", "mmd", "random"),
    *_neighbours("random", "features", "_random", ", random features"),
    # Over the distance of held-out real images.
    _optional("frechet_digits_ratio", "Fréchet ratio to held-out images, digit classifier", "frechet_ratio", "digits"),
    _optional("frechet_random_ratio", "Fréchet ratio to held-out images, random features", "frechet_ratio", "random"),
    _optional("fid_ratio", "FID over that of held-out images", "frechet_ratio", "inception", "pool"),
    _optional("fdd_ratio", "FDD over that of held-out images, DINOv2 ViT-L/14", "frechet_ratio", "dinov2-large"),
    _optional("fcd_ratio", "Fréchet ratio to held-out images, CLIP ViT-L/14", "frechet_ratio", "clip"),
    _mean_ratio("frechet_ratio", "mean Fréchet ratio of three encoders", "fid_ratio", "fdd_ratio", "fcd_ratio"),
    _mean_ratio(
        "frechet_ratio_digits", "mean Fréchet ratio, digits and random", "frechet_digits_ratio", "frechet_random_ratio"
    ),
    Metric(
        "bits_per_dimension",
        "bits per dimension of held-out images",
        False,
        f"{HERE}.bits_per_dimension:measure",
        unit="bits",
        likelihood=True,
        standard=False,
    ),
)
"""Every built-in metric, in the order of the documentation."""

for metric in METRICS:
    registry.metrics.register(metric.name)(metric)


LOCAL_EXTRACTORS = (None, "digits", "random", "random-3d")
"""Extractors of the metrics that need no downloaded weights; None is that of metrics without features."""


def default_metrics(geometry: Geometry) -> tuple[str, ...]:
    """Return the metrics that images of this shape allow on any machine, for an evaluation that names none."""
    metrics = (registry.metrics.get(name) for name in registry.metrics.names())
    local = (metric for metric in metrics if metric.standard and metric.extractor in LOCAL_EXTRACTORS)
    return tuple(metric.name for metric in local if not any(metric.faults(geometry)))
