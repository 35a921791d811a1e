"""The base of the configs of published data sets, and what to do where their latents are missing. Never imports torch.

Networks are trained on the latents of a fixed autoencoder, a factor 8 smaller a side and with 4 channels, prepared
once into ``<data folder>/<name>-<resolution>/`` (see :mod:`zigbench.data.latents`). The data folder is
``data``, or what the environment variable ``ZIGBENCH_DATA`` names; it is no part of a run's identity.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.samples import Sample
from zigbench.spec import DataConfig, Geometry

INDEX = "index.json"
"""Name of the file that makes prepared data complete."""

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

    loader = "zigbench.data.latents.dataset:Latents"
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
        return list_samples(folder)

    @property
    def folder(self) -> Path:
        """Where the prepared latents lie."""
        return Path(os.environ.get("ZIGBENCH_DATA", "data")) / f"{self.name}-{self.resolution}"

    def geometry(self, patch: int) -> Geometry:
        side = self.resolution // DOWNSAMPLING
        return Geometry(CHANNELS, side, side, patch, classes=self.classes, context=TEXT if self.text else None)


def how_to_prepare(config: Any) -> str:
    """What to say where latents are missing: what they are, where the pictures come from, the command."""
    if not hasattr(config, "source"):
        command = f"zigbench prepare latents --from PICTURES --to {config.folder} --resolution {config.resolution}"
        return f"no latents in {config.folder}; prepare them: {command}"
    images = " and ".join(f"{count:,} {split}" for split, count in config.counts.items())
    what = "clips" if config.clips else "images"
    wanted = f"{what} with captions" if config.text else f"{what} of known class" if config.classes else what
    split = getattr(config, "official_split", 1)
    return (
        f"no latents of {config.name} at {config.resolution} pixels in {config.folder}. To be downloaded by hand: "
        f"{config.source} ({images} {wanted}). Then: zigbench prepare {config.name} --from FOLDER "
        f"--resolution {config.resolution}" + (f" --official-split {split}" if split != 1 else "")
    )


def missing(config: Any) -> str:
    """How to prepare a data set that is not on this machine yet; "" where it is, or needs no preparing."""
    folder = getattr(config, "folder", None)
    return "" if folder is None or (folder / INDEX).exists() else how_to_prepare(config)
