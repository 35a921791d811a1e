"""Folders of a user's own pictures, clips and latents: their typed configs. Never imports torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from zigbench.data.config import SCALE, PreparedConfig
from zigbench.data.formats.samples import UNREADABLE, printable
from zigbench.spec import DataConfig, Geometry, Positive, registry


def _utf_8(path: str) -> str:
    if printable(path) != path:
        raise ValueError(
            f"{printable(path)} is not UTF-8, and a path is part of a run's id as text: rename the folder, or name a "
            "link to it"
        )
    return path


FolderPath = Annotated[str, AfterValidator(_utf_8)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


@registry.data.register("image-folder")
class ImageFolderConfig(DataConfig):
    """Your own pictures: class folders, a CSV or JSONL table, an array or shards; a share is held out by content.

    Args:
        path: the folder.
        resolution: side of the square that pictures are cropped and resized to, in pixels.
        channels: 3 for colour, 1 for grey.
        classes: number of classes; None to train without labels.
        filter: of the resizing, which antialiases.
        held_out: share of the pictures that is held out, where the folder has no split of its own.
        unreadable: largest share of unreadable pictures; above it the run stops.
    """

    loader = "zigbench.data.folders:Folder"
    conditions = ("classes",)
    path: FolderPath
    resolution: Positive
    channels: Literal[1, 3] = 3
    classes: Positive | None = None
    filter: Literal["lanczos", "bicubic", "bilinear", "box"] = "lanczos"
    held_out: Share = 0.1
    unreadable: Fraction = UNREADABLE

    def geometry(self, patch: int) -> Geometry:
        return Geometry(self.channels, self.resolution, self.resolution, patch, classes=self.classes)


@registry.data.register("clip-folder")
class ClipFolderConfig(DataConfig):
    """Your own clips: videos (extra `video`), GIFs or folders of frames, in class folders; a share is held out.

    A sample is so many consecutive frames, whose start is drawn anew at each visit.

    Args:
        path: the folder.
        resolution: side of the square that frames are cropped and resized to, in pixels.
        frames: of a sample; a clip with fewer counts as unreadable.
        channels: 3 for colour, 1 for grey.
        classes: number of classes; None to train without labels.
        filter: of the resizing, which antialiases.
        held_out: share of the clips that is held out, where the folder has no split of its own.
        unreadable: largest share of unreadable clips; above it the run stops.
    """

    loader = "zigbench.data.folders:Folder"
    conditions = ("classes",)
    path: FolderPath
    resolution: Positive
    frames: Positive = 16
    channels: Literal[1, 3] = 3
    classes: Positive | None = None
    filter: Literal["lanczos", "bicubic", "bilinear", "box"] = "lanczos"
    held_out: Share = 0.1
    unreadable: Fraction = UNREADABLE

    def geometry(self, patch: int) -> Geometry:
        side = self.resolution
        return Geometry(self.channels, side, side, patch, frames=self.frames, classes=self.classes)


@registry.data.register("latents")
class LatentFolderConfig(PreparedConfig):
    """Your own latents, as `zigbench prepare latents` writes them.

    Args:
        path: the folder they were written to.
        resolution: side of the pictures they were made of, in pixels.
        channels, downsampling: of the autoencoder.
        frames: of a clip; None for images.
        classes: number of classes; None to train without labels.
        text: tokens and width of the captions' embeddings; None to train without.
        scale: that the autoencoder's latents are multiplied by.
        posterior: draw latents from the autoencoder's posterior at each visit, in place of its mean.
    """

    conditions = ("classes", "text")
    path: FolderPath
    resolution: Positive
    channels: Positive = 4
    downsampling: Positive = 8
    frames: Positive | None = None
    classes: Positive | None = None
    text: tuple[Positive, Positive] | None = None
    scale: Annotated[float, Field(gt=0.0)] = SCALE
    posterior: bool = False

    @property
    def folder(self) -> Path:
        """Folder of the prepared latents."""
        return Path(self.path)

    @property
    def expected_scale(self) -> float:
        """Scale that the prepared latents must have been recorded with."""
        return self.scale

    @property
    def draws_posterior(self) -> bool:
        """True if latents are drawn from the autoencoder's posterior at each visit, in place of its mean."""
        return self.posterior

    def how_to_prepare(self) -> str:
        """Describe the missing data, and the command that prepares them."""
        command = f"zigbench prepare latents --from PICTURES --to {self.folder} --resolution {self.resolution}"
        return f"no latents in {self.folder}; prepare them: {command}"

    def geometry(self, patch: int) -> Geometry:
        side = self.resolution // self.downsampling
        return Geometry(self.channels, side, side, patch, frames=self.frames, classes=self.classes, context=self.text)
