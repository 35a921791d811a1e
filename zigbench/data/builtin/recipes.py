"""The published image sets: their shape, and what has to be downloaded by hand. Never imports torch."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from zigbench.data.config import LatentsConfig
from zigbench.spec import Geometry, later_key, registry


@registry.data.register("celebahq")
class CelebAHQConfig(LatentsConfig):
    """CelebA-HQ, unconditional: 30,000 faces, at 256 pixels a side."""

    name = "celebahq"
    images: ClassVar = {"train": 28_000, "held-out": 2_000}
    source = "CelebA-HQ (Karras et al. 2018): CelebA from its authors, and the deltas that make it CelebA-HQ"
    square = True
    resolution: Literal[256] = 256


@registry.data.register("multimodal-celebahq")
class MultiModalCelebAHQConfig(LatentsConfig):
    """MultiModal-CelebA-HQ: 30,000 faces with ten captions each, at 256 or 512 pixels a side.

    Args:
        captions: whether networks read the captions; without, the same images are an unconditional set.
    """

    name = "multimodal-celebahq"
    images: ClassVar = {"train": 24_000, "held-out": 6_000}
    source = "MultiModal-CelebA-HQ (Xia et al. 2021): images and captions from its authors, with their split"
    text = True
    square = True
    conditions = ("captions",)
    resolution: Literal[256, 512] = 256
    captions: bool = later_key(True)

    def geometry(self, patch: int) -> Geometry:
        whole = super().geometry(patch)
        return whole if self.captions else replace(whole, context=None)


@registry.data.register("faceshq")
class FacesHQConfig(LatentsConfig):
    """FacesHQ: CelebA-HQ and FFHQ together, 100,000 faces at 1,024 pixels a side."""

    name = "faceshq"
    images: ClassVar = {"train": 98_000, "held-out": 2_000}
    source = "CelebA-HQ (Karras et al. 2018) and FFHQ (Karras et al. 2019), from their authors"
    square = True
    resolution: Literal[1024] = 1024


@registry.data.register("landscapehq")
class LandscapeHQConfig(LatentsConfig):
    """LandscapeHQ (LHQ): 90,000 landscapes, at 1,024 pixels a side."""

    name = "landscapehq"
    images: ClassVar = {"train": 88_000, "held-out": 2_000}
    source = "LHQ (Skorokhodov et al. 2021), the archive of 1,024 pixels, from its authors"
    square = True
    resolution: Literal[1024] = 1024


@registry.data.register("coco")
class CocoConfig(LatentsConfig):
    """MS-COCO 2014: images with five captions each, at 256 pixels a side."""

    name = "coco"
    images: ClassVar = {"train": 82_783, "held-out": 40_504}
    source = "MS-COCO 2014 (Lin et al. 2014): train2014, val2014 and their captions, from its authors"
    text = True
    resolution: Literal[256] = 256


@registry.data.register("lsun-churches")
class ChurchesConfig(LatentsConfig):
    """LSUN Churches: outdoor churches, at 256 pixels a side."""

    name = "lsun-churches"
    images: ClassVar = {"train": 126_227, "held-out": 300}
    source = "LSUN (Yu et al. 2015), category church_outdoor, from its authors"
    shorter = 256
    resolution: Literal[256] = 256


@registry.data.register("imagenet")
class ImageNetConfig(LatentsConfig):
    """ImageNet: 1,000 classes, at 256 or 512 pixels a side."""

    name = "imagenet"
    images: ClassVar = {"train": 1_281_167, "held-out": 50_000}
    source = "ImageNet ILSVRC 2012 (Russakovsky et al. 2015), training and validation images, from its authors"
    classes = 1_000
    resolution: Literal[256, 512] = 256
