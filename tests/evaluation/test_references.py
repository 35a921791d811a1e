"""Reference statistics: found by content, shared as a file, read without pickles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zigbench.evaluation.extractors.random_features import RandomFeatures
from zigbench.evaluation.images import RealImages
from zigbench.evaluation.metrics.frechet import frechet_distance
from zigbench.evaluation.references import (
    MAX_FEATURES,
    Reference,
    ReferenceImages,
    compute_reference,
    read_reference,
    reference_images,
)

from .conftest import Split


class Counting(RandomFeatures):
    """Counts the images it has seen."""

    seen = 0

    def extract(self, images):
        self.seen += len(images)
        return super().extract(images)


def found(name: str = "a", shift: float = 0.0, which: str = "train") -> ReferenceImages:
    x = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.9 - 0.5 + shift
    split = Split(name, x, None)
    return ReferenceImages(RealImages(split), name, which, split.content_hash)


def features(count: int = 30, width: int = 4) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(1))


def test_statistics_are_computed_once_for_equal_contents(tmp_path: Path) -> None:
    extractor = Counting()
    first = compute_reference(found("a"), extractor, "features", tmp_path)
    renamed = compute_reference(found("b", which="held-out"), extractor, "features", tmp_path)
    assert extractor.seen == 40
    assert np.array_equal(first.mu, renamed.mu)
    assert (renamed.name, renamed.split) == ("b", "held-out")
    compute_reference(found("a", shift=0.1), extractor, "features", tmp_path)
    assert extractor.seen == 80


def test_another_extractor_is_another_entry(tmp_path: Path) -> None:
    one, other = Counting(), Counting()
    other.sha256 = "0" * 64
    compute_reference(found(), one, "features", tmp_path)
    compute_reference(found(), other, "features", tmp_path)
    assert (one.seen, other.seen) == (40, 40)


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    reference = Reference.of(features(), name="n", split="s", content_hash="h", extractor=("e", "f", "w", "p"))
    reference.save(tmp_path / "r.npz")
    read = Reference.read(tmp_path / "r.npz")
    assert np.array_equal(read.mu, reference.mu)
    assert np.array_equal(read.sigma, reference.sigma)
    assert torch.equal(read.features, reference.features)
    assert (read.count, read.name, read.split, read.content_hash, read.extractor) == (
        30, "n", "s", "h", ("e", "f", "w", "p"),
    )  # fmt: skip


def test_only_so_many_rows_are_kept_and_all_count() -> None:
    many = torch.arange(2.0 * MAX_FEATURES + 1)[:, None]
    reference = Reference.of(many)
    assert reference.count == 2 * MAX_FEATURES + 1
    assert len(reference.features) == MAX_FEATURES
    assert reference.features[0] == 0
    assert reference.features[-1] == 2 * MAX_FEATURES
    assert reference.mu[0] == MAX_FEATURES


def test_statistics_in_adms_form_are_read(tmp_path: Path) -> None:
    pool, spatial = Reference.of(features(width=4)), Reference.of(features(width=3))
    np.savez(
        tmp_path / "adm.npz", mu=pool.mu, sigma=pool.sigma, mu_s=spatial.mu, sigma_s=spatial.sigma,
        arr_0=np.zeros((2, 4, 4, 3), np.uint8),
    )  # fmt: skip
    assert frechet_distance(features(width=4), Reference.read(tmp_path / "adm.npz")) == pytest.approx(0, abs=1e-6)
    read = Reference.read(tmp_path / "adm.npz", "spatial")
    assert frechet_distance(features(width=3), read) == pytest.approx(0, abs=1e-6)
    assert read.features is None
    assert len(read.content_hash) == 16


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", mu=np.array([{"code": 1}], dtype=object), sigma=np.eye(1))
    with pytest.raises(ValueError, match=r"evil\.npz is not a readable .*without pickles"):
        Reference.read(tmp_path / "evil.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"r\.npz is not a readable file"):
        Reference.read(tmp_path / "r.npz")


def test_a_file_without_the_wanted_statistics_says_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", mu=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(ValueError, match="feature 'spatial': it has mu, sigma"):
        Reference.read(tmp_path / "r.npz", "spatial")


def test_another_extractors_file_is_refused(tmp_path: Path) -> None:
    Reference.of(features(), extractor=("dinov2", "features", "00", "")).save(tmp_path / "r.npz")
    with pytest.raises(ValueError, match="holds statistics of dinov2"):
        read_reference(tmp_path / "r.npz", RandomFeatures(), "features")


def test_a_single_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="1 reference images"):
        Reference.of(torch.zeros(1, 3))


class Data:
    def __init__(self, count: int = 40) -> None:
        self.part = Split("a", torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0)), None)

    def split(self, _: str) -> Split:
        return self.part


@pytest.mark.parametrize("count", [1, 13, 27, 39])
def test_a_count_of_reference_images_is_spread_evenly_over_the_split(count: int) -> None:
    every = reference_images(Data(), "train")
    some = reference_images(Data(), "train", count)
    rows = [row * 40 // count for row in range(count)]
    assert len(some.images) == count
    assert torch.equal(some.images.images(0, count), every.images.images(0, 40)[rows])
    pieces = [some.images.images(start, min(start + 5, count)) for start in range(0, count, 5)]
    assert torch.equal(torch.cat(pieces), some.images.images(0, count))
    assert some.content_hash != every.content_hash
    assert some.treatment == f"train, {count} of 40 spread evenly"


def test_a_count_of_all_images_is_the_split_and_a_greater_one_is_refused() -> None:
    assert reference_images(Data(), "train", 40).content_hash == reference_images(Data(), "train").content_hash
    with pytest.raises(ValueError, match=r"reference_count is 41, but a has 40 reference images \(train\)"):
        reference_images(Data(), "train", 41)
