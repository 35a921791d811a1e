"""UCF101 by name: its shape, its official splits, and what has to be downloaded by hand. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from zigbench.data.config import CHANNELS, DOWNSAMPLING, LatentsConfig
from zigbench.data.formats.samples import (
    NAMED,
    File,
    Label,
    MissingDataError,
    Sample,
    printable,
    walk_files,
)
from zigbench.spec import Geometry, Positive, registry


@registry.data.register("ucf101")
class UCF101Config(LatentsConfig):
    """UCF101: 13,320 clips of 101 human actions, at 256 pixels a side; latents of every frame are kept.

    A sample is so many consecutive frames, whose start is drawn anew at each visit. The shortest clip has 29.

    Args:
        resolution: side of the square frames in pixels.
        frames: of a sample.
        official_split: which of the three divisions into training and test clips; ``all`` trains on all clips but 320,
            which are held out by their content.
    """

    name = "ucf101"
    images: ClassVar = {"train": 9_537, "held-out": 3_783}
    source = (
        "UCF101 (Soomro et al. 2012), from its authors: the videos (UCF101.rar) and the splits for action recognition "
        "(UCF101TrainTestSplits-RecognitionTask.zip), unpacked side by side"
    )
    classes = 101
    clips = True
    splits: ClassVar = {
        "all": {"train": 13_000, "held-out": 320},
        1: {"train": 9_537, "held-out": 3_783},
        2: {"train": 9_586, "held-out": 3_734},
        3: {"train": 9_624, "held-out": 3_696},
    }
    resolution: Literal[128, 256] = 256
    frames: Positive = 16
    official_split: Literal["all", 1, 2, 3] = 1

    @property
    def folder(self) -> Path:
        """Folder of the prepared latents."""
        where = super().folder
        return where.with_name(f"{where.name}-split-{self.official_split}")

    @property
    def options(self) -> str:
        """Options of ``zigbench prepare`` that lead to this config, beside the folder of the downloads."""
        split = f" --official-split {self.official_split}" if self.official_split != 1 else ""
        return super().options + split

    @property
    def counts(self) -> Mapping[str, int]:
        """Clips by split."""
        return self.splits[self.official_split]

    def geometry(self, patch: int) -> Geometry:
        side = self.resolution // DOWNSAMPLING
        return Geometry(CHANNELS, side, side, patch, frames=self.frames, classes=self.classes)

    def samples(self, folder: Path) -> list[Sample]:
        """Return the clips that the official lists name, in their order; the folder of a video is its class.

        Raises:
            MissingDataError: lists or videos are missing; the message names them.
        """
        videos: dict[str, Path] = {}
        for path in walk_files(folder, frozenset({".avi"})):
            name = f"{path.parent.name}/{path.name}"
            if name in videos:
                raise ValueError(f"{printable(folder)} holds {name} in several places; keep one")
            videos[name] = path
        if self.official_split == "all":
            return [_sample(folder, video, None) for _, video in sorted(videos.items())]
        clips: list[Sample] = []
        lists = {path.name: path for path in walk_files(folder, frozenset({".txt"}))}
        for split, beginning in (("train", "trainlist"), ("held-out", "testlist")):
            listed = f"{beginning}{self.official_split:02d}.txt"
            if listed not in lists:
                raise MissingDataError(f"{folder} holds no {listed}. To be downloaded by hand: {self.source}")
            lines = lists[listed].read_text(encoding="utf-8").split("\n")
            names = [line.split()[0] for line in lines if line.strip()]
            missing = [name for name in names if name not in videos]
            if missing:
                some = ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
                raise MissingDataError(
                    f"{folder} does not have {len(missing):,} of the {len(names):,} videos in {listed}: {some}. "
                    f"To be downloaded by hand: {self.source}"
                )
            clips += [_sample(folder, videos[name], split) for name in names]
        return clips


def _sample(folder: Path, video: Path, split: str | None) -> Sample:
    name = printable(video.relative_to(folder).as_posix())
    return Sample(name, File(video), Label(printable(video.parent.name)), (), split)
