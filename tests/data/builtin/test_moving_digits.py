"""Laws of the moving digits: functions of (seed, index), no digit on both sides, bounces within the frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.data.builtin.digits import DIGIT, DigitsConfig, MovingDigitsConfig
from zigbench.data.builtin.loaders.digits import Digits
from zigbench.data.builtin.loaders.moving_digits import FASTEST, MovingDigits
from zigbench.spec import Geometry


@pytest.fixture(scope="module")
def loader():
    return MovingDigits(MovingDigitsConfig())


def test_clips_have_the_declared_shape_range_and_labels(loader):
    config = MovingDigitsConfig(frames=5, size=13)
    assert config.geometry(1) == Geometry(1, 13, 13, 1, frames=5, classes=10)
    for split in (loader.split("train"), loader.split("held-out")):
        batch = split.batch(range(0, len(split), 7))
        assert batch.x.shape[1:] == MovingDigitsConfig().geometry(1).sample_shape
        assert batch.x.dtype == torch.float32
        assert batch.x.min() == -1
        assert batch.x.max() <= 1
        assert set(batch.label.tolist()) == set(range(10))
    assert MovingDigits(config).split("train").batch([3]).x.shape == (1, 5, 1, 13, 13)


@given(st.lists(st.integers(0, 1_023), min_size=1, max_size=8))
def test_a_clip_depends_on_its_index_alone(loader, indices):
    split = loader.split("held-out")
    together = split.batch(indices)
    for row, index in enumerate(indices):
        alone = split.batch([index])
        assert torch.equal(together.x[row], alone.x[0])
        assert together.label[row] == alone.label[0]


def test_seeds_splits_and_configs_have_clips_and_hashes_of_their_own(loader):
    other = MovingDigits(MovingDigitsConfig(seed=1))
    splits = [loader.split("train"), loader.split("held-out"), other.split("train")]
    assert len({split.content_hash for split in splits}) == 3
    assert not torch.equal(splits[0].batch(range(8)).x, splits[2].batch(range(8)).x)
    assert MovingDigits(MovingDigitsConfig()).split("train").content_hash == splits[0].content_hash


@pytest.mark.parametrize("which", ["train", "held-out"])
def test_every_frame_shows_the_clips_own_digit_and_it_is_of_its_split(loader, which):
    """The digit cut out of each frame is one of the split's own; no held-out digit trains."""
    split = loader.split(which)
    indices = np.arange(0, len(split), 37)
    batch = split.batch(indices)
    rows, columns = split.places(indices)
    known = Digits(DigitsConfig()).split(which)
    for clip in range(len(indices)):
        cut = [
            batch.x[clip, t, 0, rows[clip, t] : rows[clip, t] + DIGIT, columns[clip, t] : columns[clip, t] + DIGIT]
            for t in range(16)
        ]
        assert all(torch.equal(cut[0], digit) for digit in cut)
        same = (known.x[:, 0] == cut[0]).flatten(1).all(1)
        assert batch.label[clip] in known.label[same]


@given(size=st.integers(DIGIT + 1, 40), frames=st.integers(2, 40))
def test_digits_stay_inside_and_move_no_faster_than_said(size, frames):
    split = MovingDigits(MovingDigitsConfig(size=size, frames=frames)).split("held-out")
    for places in split.places(np.arange(64)):
        assert places.min() >= 0
        assert places.max() <= size - DIGIT
        assert np.abs(np.diff(places)).max() <= np.ceil(FASTEST)


def test_clips_move(loader):
    rows, columns = loader.split("train").places(np.arange(500))
    assert ((np.ptp(rows, axis=1) > 0) | (np.ptp(columns, axis=1) > 0)).all()


def test_what_is_impossible_is_refused(loader):
    with pytest.raises(IndexError, match="clips run from 0 to 1023"):
        loader.split("held-out").batch([1024])
    with pytest.raises(ValueError, match="greater than or equal to 9"):
        MovingDigitsConfig(size=8)
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        MovingDigitsConfig(frames=0)
    with pytest.raises(ValueError, match="no split 'test'"):
        loader.split("test")
