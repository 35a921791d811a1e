"""Pictures that anyone made with anything, as a set of images: a folder of them, or one array."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.pictures import read_picture
from zigbench.data.formats.samples import File
from zigbench.evaluation.references import ReferenceImages
from zigbench.spec.files import file_sha256, short_sha256

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".tif", ".tiff"})
"""Endings of the files of a folder that are read, in any case."""

ARRAY = "arr_0"
"""Name of the pictures in an ``.npz``, as ADM's evaluation has it."""


@dataclass(frozen=True)
class Pictures:
    """The pictures below a folder, sorted by path, or those of an ``.npz`` or ``.npy``, uint8 (N, H, W, 3).

    They are read as RGB and not resized, as torch-fidelity reads a folder, unless ``resolution`` is given.

    For example, the features of a folder::

        features = extract_features(extractor, Pictures.of(Path("samples")), ["pool"])

    Args:
        place: the folder or the file.
        files: the pictures of a folder; empty for a file.
        resolution: side of the square to which each picture of a folder is cropped and resized; None for none.
    """

    place: Path
    files: tuple[Path, ...]
    resolution: int | None = None

    @classmethod
    def of(cls, place: Path, resolution: int | None = None) -> Pictures:
        """Return the pictures in a place.

        Raises:
            ValueError: there is no such place, there are no pictures in it, or an array is to be resized.
        """
        if place.is_dir():
            files = tuple(sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES))
            if not files:
                raise ValueError(f"{place} has no pictures: files that end in {', '.join(sorted(SUFFIXES))}")
            return cls(place, files, resolution)
        if not place.is_file():
            raise ValueError(f"there is no folder or file {place}")
        if place.suffix not in (".npz", ".npy"):
            raise ValueError(f"{place} is no folder of pictures, and no .npz or .npy of them")
        if resolution is not None:
            raise ValueError(f"{place} is an array, and --resolution is for folders: leave it out")
        pictures = cls(place, ())
        _ = pictures._array  # An array that cannot be read fails here.
        return pictures

    def __len__(self) -> int:
        return len(self.files) or len(self._array)

    @property
    def treatment(self) -> str:
        """Words for what is done to the pictures before an extractor prepares them."""
        if self.resolution is None:
            return "as they are"
        return f"central square, lanczos with antialiasing to {self.resolution}×{self.resolution}"

    @cached_property
    def content_hash(self) -> str:
        """Hash of the files' contents, whatever they are called."""
        return short_sha256(" ".join(sorted(file_sha256(path) for path in self.files or (self.place,))))

    @property
    def as_reference(self) -> ReferenceImages:
        """These pictures as those that samples are compared with."""
        name = self.place.resolve().name
        return ReferenceImages(self, name, self.treatment, f"{self.content_hash} {self.resolution or ''}".strip())

    @cached_property
    def captions(self) -> tuple[str, ...]:
        """The first caption of each picture: of a text beside it, or of the folder's table or annotations.

        Raises:
            ValueError: a picture has none, or the pictures are an array.
        """
        if not self.files:
            raise ValueError(f"{self.place} is an array, which has no captions: give a folder of pictures with texts")
        texts = {
            sample.picture.path.resolve(): sample.captions[0]
            for sample in list_samples(self.place)
            if isinstance(sample.picture, File) and sample.captions
        }
        if bare := [path.name for path in self.files if path.resolve() not in texts]:
            raise ValueError(
                f"{len(bare)} of {len(self.files)} pictures in {self.place} have no caption, first {bare[0]}: "
                f"write it into {Path(bare[0]).stem}.txt beside the picture"
            )
        return tuple(texts[path.resolve()] for path in self.files)

    def images(self, start: int, stop: int) -> Tensor:
        """Return pictures ``start`` to ``stop`` (exclusive), uint8 (n, 3, H, W).

        Raises:
            ValueError: one cannot be read, or has another size than the first.
        """
        if not self.files:
            return torch.from_numpy(self._array[start:stop].transpose(0, 3, 1, 2).copy())
        height, width = self._first.shape[1:]
        rows = [self._read(path) for path in self.files[start:stop]]
        for path, pixels in zip(self.files[start:stop], rows, strict=True):
            if pixels.shape[1:] != (height, width):
                raise ValueError(
                    f"{path} has {pixels.shape[1]}×{pixels.shape[2]} pixels, {self.files[0].name} {height}×{width}: "
                    "bring all to one size, or give --resolution"
                )
        return torch.from_numpy(np.stack(rows))

    @cached_property
    def _first(self) -> np.ndarray:
        return self._read(self.files[0])

    def _read(self, path: Path) -> np.ndarray:
        if self.resolution is not None:
            return read_picture(path.read_bytes(), self.resolution, 3, name=str(path))
        try:
            with Image.open(path) as picture:
                return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path} can't be read as a picture ({type(error).__name__}): remove it") from None

    @cached_property
    def _array(self) -> np.ndarray:
        try:
            stored = np.load(self.place, allow_pickle=False)
            array = stored if isinstance(stored, np.ndarray) else stored[ARRAY]
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.place} holds no array {ARRAY!r} without pickles: {error}") from None
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or not len(array):
            shape = f"{array.dtype} {array.shape}"
            raise ValueError(f"{self.place} holds {shape}; pictures are uint8 (N, height, width, 3)")
        return array
