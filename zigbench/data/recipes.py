"""The published data sets by name: their shape, and what has to be downloaded by hand. Never imports torch.

Networks are trained on the latents of a fixed autoencoder, a factor 8 smaller a side and with 4 channels, prepared
once into ``<data folder>/<name>-<resolution>/`` (see :mod:`zigbench.data.latents`). The data folder is
``data``, or what the environment variable ``ZIGBENCH_DATA`` names; it is no part of a run's identity.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from zigbench.data.samples import Sample
from zigbench.data.sources import samples_of
from zigbench.spec import DataConfig, Geometry

DOWNSAMPLING = 8
CHANNELS = 4
TEXT = (77, 768)
"""Tokens and width of CLIP ViT-L/14's last hidden state."""


class LatentsConfig(DataConfig):
    """Base of the recipes: precomputed latents of a named set of images at one resolution.

    Attributes:
        name: of the folder.
        images: how many there are once complete, by split.
        source: what to download by hand, and from whom.
        classes: number of classes; None where images have none.
        text: whether images have captions.
        clips: whether they are clips.
        square: whether the images are square, and at least as large as the resolution.
        shorter: pixels that the shorter side of other images has at least; 0 where they are of any size.
        resolution: side of the square images in pixels.
    """

    loader = "zigbench.data.latents:Latents"
    name: ClassVar[str]
    images: ClassVar[dict[str, int]]
    source: ClassVar[str]
    classes: ClassVar[int | None] = None
    text: ClassVar[bool] = False
    clips: ClassVar[bool] = False
    square: ClassVar[bool] = False
    shorter: ClassVar[int] = 0
    resolution: int = 256

    @property
    def least(self) -> int:
        """Pixels that the shorter side of the images has at least."""
        return self.resolution if self.square else self.shorter

    @property
    def counts(self) -> dict[str, int]:
        """How many images there are once complete, by split."""
        return self.images

    def samples(self, folder: Path) -> list[Sample]:
        """Everything that a folder holds of this set.

        Raises:
            MissingDataError: it holds nothing of it.
        """
        return samples_of(folder)

    @property
    def folder(self) -> Path:
        """Where the prepared latents lie."""
        return Path(os.environ.get("ZIGBENCH_DATA", "data")) / f"{self.name}-{self.resolution}"

    def geometry(self, patch: int) -> Geometry:
        side = self.resolution // DOWNSAMPLING
        return Geometry(CHANNELS, side, side, patch, classes=self.classes, context=TEXT if self.text else None)


class CelebAHQConfig(LatentsConfig):
    """CelebA-HQ, unconditional: 30,000 faces, at 256 pixels a side."""

    name = "celebahq"
    images: ClassVar = {"train": 28_000, "held-out": 2_000}
    source = "CelebA-HQ (Karras et al. 2018): CelebA from its authors, and the deltas that make it CelebA-HQ"
    square = True
    resolution: Literal[256] = 256


class MultiModalCelebAHQConfig(LatentsConfig):
    """MultiModal-CelebA-HQ: 30,000 faces with ten captions each, at 256 or 512 pixels a side."""

    name = "multimodal-celebahq"
    images: ClassVar = {"train": 24_000, "held-out": 6_000}
    source = "MultiModal-CelebA-HQ (Xia et al. 2021): images and captions from its authors, with their split"
    text = True
    square = True
    resolution: Literal[256, 512] = 256


class FacesHQConfig(LatentsConfig):
    """FacesHQ: CelebA-HQ and FFHQ together, 100,000 faces at 1,024 pixels a side."""

    name = "faceshq"
    images: ClassVar = {"train": 98_000, "held-out": 2_000}
    source = "CelebA-HQ (Karras et al. 2018) and FFHQ (Karras et al. 2019), from their authors"
    square = True
    resolution: Literal[1024] = 1024


class CocoConfig(LatentsConfig):
    """MS-COCO 2014: images with five captions each, at 256 pixels a side."""

    name = "coco"
    images: ClassVar = {"train": 82_783, "held-out": 40_504}
    source = "MS-COCO 2014 (Lin et al. 2014): train2014, val2014 and their captions, from its authors"
    text = True
    resolution: Literal[256] = 256


class ChurchesConfig(LatentsConfig):
    """LSUN Churches: outdoor churches, at 256 pixels a side."""

    name = "lsun-churches"
    images: ClassVar = {"train": 126_227, "held-out": 300}
    source = "LSUN (Yu et al. 2015), category church_outdoor, from its authors"
    shorter = 256
    resolution: Literal[256] = 256


class ImageNetConfig(LatentsConfig):
    """ImageNet: 1,000 classes, at 256 or 512 pixels a side."""

    name = "imagenet"
    images: ClassVar = {"train": 1_281_167, "held-out": 50_000}
    source = "ImageNet ILSVRC 2012 (Russakovsky et al. 2015), training and validation images, from its authors"
    classes = 1_000
    resolution: Literal[256, 512] = 256
