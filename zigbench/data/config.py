"""Bases of the configs whose latents are prepared once, and the message for missing ones. Never imports torch.

Networks are trained on the latents of a fixed autoencoder, by default a factor 8 smaller a side and with 4 channels.
Those of a published set are prepared into ``<data folder>/<name>-<resolution>/`` (see :mod:`zigbench.data.latents`).
The data folder is ``data``, or the value of the environment variable ``ZIGBENCH_DATA``; it does not belong to a run's
identity.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.samples import Sample
from zigbench.spec import DataConfig, Geometry, later_key

INDEX = "index.json"
"""Name of the file that makes prepared data complete."""

SCALE = 0.18215
"""Scale of the latents of the autoencoder that the published networks were trained with."""

AUTOENCODERS: Mapping[str, str] = {
    "sd-vae-ft-ema": "stabilityai/sd-vae-ft-ema",
    "sd-1.5": "stable-diffusion-v1-5/stable-diffusion-v1-5/vae",
}
"""The autoencoders that the published networks were trained with, each as the library's cache knows it."""

DOWNSAMPLING = 8
CHANNELS = 4
TEXT = (77, 768)
"""Tokens and width of CLIP ViT-L/14's last hidden state."""


class PreparedConfig(DataConfig):
    """A config of latents that ``zigbench prepare`` writes before the first run."""

    loader = "zigbench.data.latents.dataset:Latents"

    @property
    def folder(self) -> Path:
        """Folder of the prepared latents."""
        raise NotImplementedError

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of samples by split once complete; empty where any number will do."""
        return {}

    @property
    def expected_scale(self) -> float:
        """Scale that the prepared latents must have been recorded with."""
        return SCALE

    @property
    def draws_posterior(self) -> bool:
        """True if latents are drawn from the autoencoder's posterior at each visit, in place of its mean."""
        return False

    def how_to_prepare(self) -> str:
        """Describe the missing data, their source, and the command that prepares them."""
        raise NotImplementedError


class LatentsConfig(PreparedConfig):
    """Base of the recipes: latents of a published set of images or clips at one resolution.

    Attributes:
        name: of the folder.
        images: number of samples by split, once complete.
        source: what to download by hand, and from whom.
        classes: number of classes; None where samples have none.
        text: whether samples have captions.
        clips: whether they are clips.
        square: whether the images are square, and at least as large as the resolution.
        shorter: pixels that the shorter side of other images has at least; 0 where they are of any size.
        resolution: side of the square images in pixels.
        autoencoder: the autoencoder of the latents, ``sd-vae-ft-ema`` or that of Stable Diffusion 1.5.
    """

    name: ClassVar[str]
    images: ClassVar[dict[str, int]]
    source: ClassVar[str]
    classes: ClassVar[int | None] = None
    text: ClassVar[bool] = False
    clips: ClassVar[bool] = False
    square: ClassVar[bool] = False
    shorter: ClassVar[int] = 0
    resolution: int = 256
    autoencoder: Literal["sd-vae-ft-ema", "sd-1.5"] = later_key("sd-vae-ft-ema")

    @property
    def least(self) -> int:
        """Pixels that the shorter side of the images has at least."""
        return self.resolution if self.square else self.shorter

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of samples by split once complete."""
        return self.images

    @property
    def folder(self) -> Path:
        """Folder of the prepared latents."""
        name = f"{self.name}-{self.resolution}"
        if self.autoencoder != "sd-vae-ft-ema":
            name = f"{name}-{self.autoencoder}"
        return Path(os.environ.get("ZIGBENCH_DATA", "data")) / name

    @property
    def options(self) -> str:
        """Options of ``zigbench prepare`` that lead to this config, beside the folder of the downloads."""
        other = f" --autoencoder {self.autoencoder}" if self.autoencoder != "sd-vae-ft-ema" else ""
        return f"--resolution {self.resolution}{other}"

    def samples(self, folder: Path) -> list[Sample]:
        """Return all samples of this set in a folder of downloads.

        Raises:
            MissingDataError: it holds nothing of the set.
        """
        return list_samples(folder)

    def how_to_prepare(self) -> str:
        """Describe the missing data, their source, and the command that prepares them."""
        images = " and ".join(f"{count:,} {split}" for split, count in self.counts.items())
        what = "clips" if self.clips else "images"
        kind = f"{what} with captions" if self.text else f"{what} of known class" if self.classes else what
        return (
            f"no latents of {self.name} at {self.resolution} pixels in {self.folder}. To be downloaded by hand: "
            f"{self.source} ({images} {kind}). Then: zigbench prepare {self.name} --from FOLDER {self.options}"
        )

    def geometry(self, patch: int) -> Geometry:
        side = self.resolution // DOWNSAMPLING
        return Geometry(CHANNELS, side, side, patch, classes=self.classes, context=TEXT if self.text else None)


def missing(config: DataConfig) -> str:
    """Describe how to prepare a data set that is not on this machine; "" where it is, or needs no preparing."""
    if not isinstance(config, PreparedConfig) or (config.folder / INDEX).exists():
        return ""
    return config.how_to_prepare()
