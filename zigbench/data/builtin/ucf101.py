"""UCF101 by name: its shape, its official splits, and what has to be downloaded by hand. Never imports torch."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from zigbench.data.config import CHANNELS, DOWNSAMPLING, LatentsConfig
from zigbench.data.formats.samples import File, MissingDataError, Sample
from zigbench.spec import Geometry, Positive, registry

NAMED = 5
"""Missing clips that an error names."""


@registry.data.register("ucf101")
class UCF101Config(LatentsConfig):
    """UCF101: 13,320 clips of 101 human actions, at 256 pixels a side; latents of every frame are kept.

    A sample is so many consecutive frames, whose start is drawn anew at each visit. The shortest clip has 29.

    Args:
        resolution: side of the square frames in pixels.
        frames: of a sample.
        official_split: which of the three divisions into training and test clips.
    """

    name = "ucf101"
    images: ClassVar = {"train": 9_537, "held-out": 3_783}
    source = (
        "UCF101 (Soomro et al. 2012), from its authors: the films (UCF101.rar) and the splits for action recognition "
        "(UCF101TrainTestSplits-RecognitionTask.zip), unpacked side by side"
    )
    classes = 101
    clips = True
    splits: ClassVar = {
        1: {"train": 9_537, "held-out": 3_783},
        2: {"train": 9_586, "held-out": 3_734},
        3: {"train": 9_624, "held-out": 3_696},
    }
    resolution: Literal[128, 256] = 256
    frames: Positive = 16
    official_split: Literal[1, 2, 3] = 1

    @property
    def folder(self) -> Path:
        """Where the prepared latents lie."""
        where = super().folder
        return where.with_name(f"{where.name}-split-{self.official_split}")

    @property
    def counts(self) -> dict[str, int]:
        """Clips by split."""
        return self.splits[self.official_split]

    def geometry(self, patch: int) -> Geometry:
        side = self.resolution // DOWNSAMPLING
        return Geometry(CHANNELS, side, side, patch, frames=self.frames, classes=self.classes)

    def samples(self, folder: Path) -> list[Sample]:
        """The clips that the official lists name, in their order; the folder of a film is its class.

        Raises:
            MissingDataError: lists or films are missing; says which.
        """
        films = {f"{path.parent.name}/{path.name}": path for path in sorted(folder.rglob("*.avi"))}
        found: list[Sample] = []
        for split, name in (("train", "trainlist"), ("held-out", "testlist")):
            listed = f"{name}{self.official_split:02d}.txt"
            paths = sorted(folder.rglob(listed))
            if not paths:
                raise MissingDataError(f"{folder} holds no {listed}. To be downloaded by hand: {self.source}")
            lines = paths[0].read_text(encoding="utf-8").split("\n")
            names = [line.split()[0] for line in lines if line.strip()]
            if missing := [name for name in names if name not in films]:
                some = ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
                raise MissingDataError(
                    f"{folder} lacks {len(missing):,} of the {len(names):,} films that {listed} names: {some}. "
                    f"To be downloaded by hand: {self.source}"
                )
            found += [_sample(folder, films[name], split) for name in names]
        return found


def _sample(folder: Path, film: Path, split: str) -> Sample:
    return Sample(film.relative_to(folder).as_posix(), File(film), film.parent.name, (), split)
