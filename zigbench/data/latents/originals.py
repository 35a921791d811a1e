"""The pictures that latents were made of, read again for the metrics: samples are compared with the originals.

Beside each shard of latents lie the names of its pictures and the SHA-256 of each one's content. They are read where
they lay when they were encoded, or in the folder that ``$ZIGBENCH_PICTURES`` names, and a picture whose content is
another than the one encoded is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.pictures import Filter, read_picture
from zigbench.data.formats.samples import Content, MissingDataError, digest_of
from zigbench.data.formats.video import list_clips, read_clip
from zigbench.data.random import clip_starts
from zigbench.data.shards import DamagedDataError, ShardStore
from zigbench.spec.files import sha256

FOLDER = "ZIGBENCH_PICTURES"
"""Environment variable that names the folder of the pictures, where it has moved since the latents were made."""

THREADS = 4


class Originals:
    """The pictures of one split, cropped and resized as they were for the autoencoder; an image set.

    Args:
        name: of the data set.
        contents: each picture's content, in the order of the split.
        digests: SHA-256 of each, uint8 (N, 32).
        resolution, filter: of the resizing.
        captions: the first caption of each, "" where it has none.

    Attributes:
        content_hash: SHA-256 over the pictures' hashes and the resizing.
        treatment: description of the cropping and resizing.
    """

    def __init__(
        self,
        name: str,
        contents: Sequence[Content],
        digests: np.ndarray,
        resolution: int,
        filter: Filter,
        captions: Sequence[str] = (),
    ) -> None:
        assert len(contents) == len(digests)
        self.name = name
        self.contents = contents
        self.digests = digests
        self.resolution = resolution
        self.filter: Filter = filter
        self.captions = captions
        self.treatment = f"original pictures, cropped to the square, {filter} to {resolution}×{resolution}"
        self.content_hash = sha256(f"{resolution} {filter} ".encode() + digests.tobytes())

    def __len__(self) -> int:
        return len(self.contents)

    def images(self, start: int, stop: int) -> Tensor:
        """Return pictures ``start`` to ``stop`` (exclusive), uint8 (n, 3, H, W).

        Raises:
            DamagedDataError: one is not the picture that was encoded.
        """
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.from_numpy(np.stack(list(pool.map(self._read, range(start, min(stop, len(self)))))))

    def _read(self, row: int) -> np.ndarray:
        _, content = self._whole(row)
        return read_picture(content, self.resolution, 3, name=str(self.contents[row]), filter=self.filter)

    def _whole(self, row: int) -> tuple[Content, bytes | np.ndarray]:
        """Return a picture's place and its content, which is the content that was encoded."""
        content = self.contents[row].read()
        if digest_of(content) != self.digests[row].tobytes().hex():
            raise DamagedDataError(f"{self.contents[row]} is not the picture of {self.name} that was encoded")
        return self.contents[row], content


class OriginalClips(Originals):
    """The clips of one split, each the stretch that its latents show outside of training.

    Args:
        name, contents, digests, resolution, filter: as for pictures.
        frames: of a stretch.
    """

    def __init__(
        self,
        name: str,
        contents: Sequence[Content],
        digests: np.ndarray,
        resolution: int,
        filter: Filter,
        frames: int,
    ) -> None:
        super().__init__(name, contents, digests, resolution, filter)
        self.frames = frames
        self.treatment = (
            f"{frames} consecutive frames of the original clips, cropped to the square, {filter} to "
            f"{resolution}×{resolution}"
        )
        self.content_hash = sha256(f"{self.content_hash} {frames}")

    def _read(self, row: int) -> np.ndarray:
        clip = read_clip(
            self._whole(row)[0],
            self.resolution,
            3,
            fewest=self.frames,
            name=str(self.contents[row]),
            filter=self.filter,
        )
        (first,) = clip_starts(None, np.array([row]), np.array([len(clip)]), self.frames)
        return clip[first : first + self.frames]


def open_originals(folder: Path, index: Mapping[str, Any], split: str, frames: int | None = None) -> Originals:
    """Return the pictures that a split of prepared latents was made of; of clips the frames that all runs see.

    Args:
        folder: of the latents.
        index: theirs.
        split: "train" or "held-out".
        frames: of a stretch, where the latents are of clips.

    Raises:
        MissingDataError: the pictures are missing; the message says what to do.
    """
    otherwise = f"or compare with the decoded latents: evaluation.reference={split}-decoded"
    shards, store = index["splits"][split], ShardStore(folder)
    if not index.get("pictures") or len(index["shape"]) != 3:
        raise MissingDataError(f"{folder} does not state the pictures it was made of; prepare it again, {otherwise}")
    where = Path(os.environ.get(FOLDER) or index["pictures"])
    names, digests = (
        np.concatenate([store.load(shard["name"], part) for shard in shards]) for part in ("names", "digests")
    )
    clips = "shortest" in index
    samples = (list_clips if clips else list_samples)(where) if where.is_dir() else []
    by_name = {sample.name.encode(): sample for sample in samples}
    chosen = [by_name[name] for name in names.tolist() if name in by_name]
    contents = [sample.picture for sample in chosen if sample.picture is not None]
    if len(contents) < len(names):
        raise MissingDataError(
            f"{len(names) - len(contents)} of the {len(names)} pictures that {folder} was made of are not in {where}, "
            f"with which samples are compared; name their folder in ${FOLDER}, {otherwise}"
        )
    facts = (str(index["name"]), contents, digests, index["resolution"], index["filter"])
    captions = [sample.captions[0] if sample.captions else "" for sample in chosen]
    return Originals(*facts, captions) if not clips or frames is None else OriginalClips(*facts, frames)
