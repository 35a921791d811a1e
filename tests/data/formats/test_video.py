"""Clips from videos and folders of frames: order, stretches, and everything that is wrong with other people's files."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zigbench.data.builtin.folders import ClipFolderConfig
from zigbench.data.folders import Folder
from zigbench.data.formats.pictures import UnreadablePictureError
from zigbench.data.formats.samples import File, Label, MissingDataError
from zigbench.data.formats.video import Animation, Frames, list_clips, read_clip
from zigbench.data.random import clip_starts
from zigbench.data.split import AugmentationKey

from ..make_films import grey, set_matrix, write_film, write_frames, write_gif, write_pictures

LEVELS = [20 * (number + 1) for number in range(12)]


def levels_of(clip: np.ndarray) -> list[int]:
    """The grey levels that were planted, from frames that a codec may have shifted a little."""
    means = clip.reshape(len(clip), -1).mean(1)
    return [int(20 * round(mean / 20)) for mean in means]


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_a_film_gives_all_its_frames_in_order_cropped_to_the_resolution(tmp_path, suffix) -> None:
    write_film(tmp_path / f"video{suffix}", LEVELS)
    clip = read_clip(File(tmp_path / f"video{suffix}"), 16, 3, fewest=12, name="video")
    assert clip.dtype == np.uint8
    assert clip.shape == (12, 3, 16, 16)
    assert levels_of(clip) == LEVELS


def test_frames_are_in_the_order_of_their_numbers(tmp_path) -> None:
    write_frames(tmp_path / "a" / "clip", LEVELS)
    (sample,) = list_clips(tmp_path)
    assert (sample.name, sample.label) == ("a/clip", Label("a"))
    assert levels_of(read_clip(sample.picture, 8, 1, fewest=1, name="clip")) == LEVELS


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_varying_frame_rate_is_named(tmp_path, suffix) -> None:
    path = tmp_path / f"video{suffix}"
    write_film(path, LEVELS, times=[0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14])
    with pytest.raises(UnreadablePictureError, match=r"video: its frame rate varies \(\d+ to \d+ ticks"):
        read_clip(File(path), 8, 3, fewest=1, name="video")


def test_short_empty_broken_and_uneven_clips_are_named(tmp_path) -> None:
    write_film(tmp_path / "short.avi", LEVELS[:5])
    whole = (tmp_path / "short.avi").read_bytes()
    (tmp_path / "broken.avi").write_bytes(b"RIFF and nothing else")
    (tmp_path / "none.mp4").write_bytes(b"")
    write_frames(tmp_path / "sizes", LEVELS[:2])
    Image.fromarray(grey(3, (10, 12))).save(tmp_path / "sizes" / "frame2.png")
    write_frames(tmp_path / "cut", LEVELS[:1])
    (tmp_path / "cut" / "frame1.png").write_bytes((tmp_path / "cut" / "frame0.png").read_bytes()[:60])
    (tmp_path / "head.avi").write_bytes(whole[: whole.index(b"movi") + 4])
    for content, fewest, said in (
        (File(tmp_path / "short.avi"), 6, "clip: it has 5 frames; a clip takes at least 6"),
        (File(tmp_path / "broken.avi"), 1, "clip: .*Invalid data"),
        (File(tmp_path / "none.mp4"), 1, "clip: .*Invalid data"),
        (File(tmp_path / "head.avi"), 1, "clip: "),
        (Frames(()), 1, "clip: it holds no frames"),
        (Frames(tuple(sorted((tmp_path / "sizes").iterdir()))), 1, r"differ in size \(10×12 and 26×34\)"),
        (Frames(tuple(sorted((tmp_path / "cut").iterdir()))), 1, "clip, frame 1: "),
        (File(tmp_path / "away.avi"), 1, "clip: No such file"),
    ):
        with pytest.raises(UnreadablePictureError, match=said):
            read_clip(content, 8, 3, fewest=fewest, name="clip")


def test_what_a_folder_of_clips_can_not_be(tmp_path) -> None:
    with pytest.raises(MissingDataError, match="there is no folder"):
        list_clips(tmp_path / "none")
    with pytest.raises(MissingDataError, match=r"neither videos \(.3gp, .avi"):
        list_clips(tmp_path)
    Image.fromarray(grey(1)).save(tmp_path / "alone.png")
    with pytest.raises(ValueError, match="1 pictures outside of any clip: give each clip a folder"):
        list_clips(tmp_path)
    (tmp_path / "alone.png").rename(tmp_path.parent / "outside.png")
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "0.png").symlink_to(tmp_path.parent / "outside.png")
    with pytest.raises(ValueError, match="leads out of"):
        list_clips(tmp_path)


def texture(frames: int, seed: int = 0) -> list[np.ndarray]:
    """Noise that moves, so that no frame is small or like another."""
    noise = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return [np.roll(noise, frame, 1) for frame in range(frames)]


@pytest.mark.parametrize(
    ("suffix", "sound"),
    [(suffix, 0.0) for suffix in (".avi", ".mkv", ".webm", ".mpg", ".mov", ".mp4")]
    + [(suffix, seconds) for suffix in (".avi", ".mkv", ".mpg", ".mp4") for seconds in (2.0, 4.0)],
)
def test_a_film_that_is_cut_short_or_spoiled_is_named(tmp_path, suffix, sound) -> None:
    """Decoders conceal damage and end in silence; where only the sound is harmed, every frame is as it was."""
    path = tmp_path / f"video{suffix}"
    write_pictures(path, texture(60), codec="mpeg4" if suffix == ".mkv" else None, sound=sound)
    whole = path.read_bytes()
    clip = read_clip(File(path), 8, 3, fewest=1, name="video")
    assert len(clip) == 60
    spoiled = bytearray(whole)
    middle = len(whole) // 2
    spoiled[middle : middle + 600] = np.random.default_rng(1).integers(0, 256, 600, dtype=np.uint8).tobytes()
    for content in (whole[:middle], whole[: len(whole) * 3 // 4], bytes(spoiled)):
        path.write_bytes(content)
        if sound and content != whole[:middle]:
            with contextlib.suppress(UnreadablePictureError):
                assert np.array_equal(read_clip(File(path), 8, 3, fewest=1, name="video"), clip)
            continue
        with pytest.raises(UnreadablePictureError, match=r"^video: "):
            read_clip(File(path), 8, 3, fewest=1, name="video")


def halves(clip: np.ndarray) -> np.ndarray:
    """Mean levels of the upper left, upper right, lower left and lower right quarters of a clip's first frame."""
    frame = clip[0].mean(0)
    side = len(frame) // 2
    return np.array([frame[rows, columns].mean() for rows in (slice(0, side), slice(side, None))
                     for columns in (slice(0, side), slice(side, None))])  # fmt: skip


MATRICES = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0),
            (0, -1, -1, 0)]  # fmt: skip


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_film_is_turned_and_mirrored_as_its_display_matrix_states(tmp_path, matrix) -> None:
    """Each quarter of the picture lies where (x, y) · ((a, b), (c, d)) takes it."""
    quarters = np.array([[30, 90], [150, 210]], np.uint8)
    picture = np.repeat(np.repeat(quarters, 32, 0), 32, 1)[..., None].repeat(3, 2)
    path = tmp_path / "phone.mp4"
    write_pictures(path, [picture] * 4)
    set_matrix(path, matrix)
    a, b, c, d = matrix
    shown = {}
    for y in (-1, 1):
        for x in (-1, 1):
            shown[(a * x + c * y, b * x + d * y)] = quarters[(y + 1) // 2, (x + 1) // 2]
    expected = [shown[(x, y)] for y in (-1, 1) for x in (-1, 1)]
    assert np.abs(halves(read_clip(File(path), 16, 3, fewest=4, name="phone")) - expected).max() < 12


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (1, 1, 1, 1), (0.7, 0.7, -0.7, 0.7), (-1, 1, 1, 1)])
def test_a_damaged_display_matrix_is_no_turn(tmp_path, matrix) -> None:
    path = tmp_path / "phone.mp4"
    write_film(path, LEVELS)
    plain = read_clip(File(path), 16, 3, fewest=1, name="phone")
    set_matrix(path, matrix)
    assert np.array_equal(read_clip(File(path), 16, 3, fewest=1, name="phone"), plain)


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_not_square_are_shown_as_wide_as_the_film_states(tmp_path, turned) -> None:
    """A disc that a video stores as an ellipse is a disc again."""
    aspect = Fraction(2, 1)
    y, x = np.mgrid[-31.5:32, -31.5:32]
    inside = (x * 2) ** 2 + y**2 < 24**2
    picture = np.where(inside[..., None], 230, 20).astype(np.uint8).repeat(3, 2)
    path = tmp_path / "wide.mp4"
    write_pictures(path, [picture] * 4, aspect=aspect)
    if turned:
        set_matrix(path, (0, 1, -1, 0))
    frame = read_clip(File(path), 64, 3, fewest=4, name="wide")[0].mean(0) > 125
    assert frame.any(0).sum() == pytest.approx(48, abs=3)
    assert frame.any(1).sum() == pytest.approx(48, abs=3)


def test_each_animation_is_a_clip_and_still_pictures_are_frames(tmp_path) -> None:
    for kind in ("left", "right"):
        for number in range(2):
            write_gif(tmp_path / kind / f"{number}.gif", LEVELS[number:])
    (tmp_path / "stills").mkdir()
    for number, level in enumerate(LEVELS):
        Image.fromarray(grey(level)).save(tmp_path / "stills" / f"{number}.gif")
    clips = {sample.name: sample for sample in list_clips(tmp_path)}
    assert sorted(clips) == ["left/0.gif", "left/1.gif", "right/0.gif", "right/1.gif", "stills"]
    assert (clips["left/1.gif"].label, clips["stills"].label) == (Label("left"), None)
    for name, levels in (("left/0.gif", LEVELS), ("right/1.gif", LEVELS[1:]), ("stills", LEVELS)):
        clip = read_clip(clips[name].picture, 16, 3, fewest=4, name=name)
        assert levels_of(clip) == levels


def test_animations_that_are_damaged_uneven_or_among_frames_are_named(tmp_path) -> None:
    path = tmp_path / "a.gif"
    write_gif(path, LEVELS, durations=[30, 40] * 6)  # Thirty frames a second, as the format can state them.
    assert len(read_clip(Animation(path), 8, 3, fewest=1, name="clip")) == len(LEVELS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UnreadablePictureError, match="clip: it is cut short"):
        read_clip(Animation(path), 8, 3, fewest=1, name="clip")
    write_gif(path, LEVELS, durations=[40] * 5 + [400] + [40] * 6)
    with pytest.raises(UnreadablePictureError, match="clip: its frame rate varies"):
        read_clip(Animation(path), 8, 3, fewest=1, name="clip")
    with pytest.raises(UnreadablePictureError, match="clip, frame 0: it is an animation of its own"):
        read_clip(Frames((path,)), 8, 3, fewest=1, name="clip")
    path.write_bytes(b"GIF89a and nothing else")
    (sample,) = list_clips(tmp_path)
    with pytest.raises(UnreadablePictureError, match=r"a\.gif: "):
        read_clip(sample.picture, 8, 3, fewest=1, name=sample.name)


@given(
    lengths=st.lists(st.integers(5, 300), min_size=1, max_size=20),
    frames=st.integers(1, 5),
    seed=st.none() | st.integers(0, 2**63 - 1),
)
def test_stretches_lie_inside_their_clips_and_depend_on_the_clip_alone(lengths, frames, seed) -> None:
    indices, sizes = np.arange(len(lengths)), np.array(lengths)
    first = clip_starts(seed, indices, sizes, frames)
    assert (first >= 0).all()
    assert (first + frames <= sizes).all()
    order = indices[::-1]
    assert (clip_starts(seed, order, sizes[order], frames) == first[::-1]).all()


def test_every_start_is_reached(tmp_path) -> None:
    reached = {int(clip_starts(seed, np.array([3]), np.array([12]), 4)[0]) for seed in range(200)}
    assert reached == set(range(9))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Videos and folders of frames of two classes, one of them broken."""
    for number in range(5):
        write_film(tmp_path / "clips" / "up" / f"{number}.avi", LEVELS)
        write_frames(tmp_path / "clips" / "down" / str(number), [*LEVELS[::-1], number])
    (tmp_path / "clips" / "up" / "broken.avi").write_bytes(b"RIFF")
    return tmp_path / "clips"


def test_a_folder_of_clips_gives_stretches_of_consecutive_frames(folder) -> None:
    config = ClipFolderConfig(path=str(folder), resolution=8, frames=4, classes=2, held_out=0.3, unreadable=0.1)
    loader = Folder(config)
    assert len(loader.unreadable) == 1
    assert "up/broken.avi" in loader.unreadable[0]
    train, held_out = loader.split("train"), loader.split("held-out")
    assert len(train) + len(held_out) == 10
    assert train.batch([0]).x.shape == (1, *config.geometry(1).sample_shape)
    seen = set()
    for seed in range(40):
        batch = train.batch(AugmentationKey([0, 1, 2, 3], seed))
        for clip, label in zip(batch.x, batch.label.tolist(), strict=True):
            levels = levels_of((clip.numpy() + 1) * 127.5)
            steps = set(np.diff(levels[:3]))
            assert steps == ({20} if label == 1 else {-20})
            seen.add((label, levels[0]))
    assert len(seen) > 4
    again = train.batch(AugmentationKey([3, 0], 7)).x
    assert torch.equal(again, train.batch(AugmentationKey([0, 1, 2, 3], 7)).x[[3, 0]])
    assert torch.equal(train.batch([1]).x, train.batch([0, 1]).x[1:])


def test_clips_read_from_disk_are_those_in_memory(folder, monkeypatch) -> None:
    config = ClipFolderConfig(path=str(folder), resolution=8, frames=4, classes=2, unreadable=0.1)
    resident = Folder(config).split("train")
    monkeypatch.setattr("zigbench.data.folders.RESIDENT", 0)
    on_disk = Folder(config).split("train")
    assert resident.resident
    assert not on_disk.resident
    assert resident.content_hash == on_disk.content_hash
    assert torch.equal(resident.batch(AugmentationKey(range(4), 3)).x, on_disk.batch(AugmentationKey(range(4), 3)).x)


def test_too_many_broken_clips_are_refused(folder) -> None:
    with pytest.raises(ValueError, match=r"1 of 11 clips are unreadable, more than the allowed 1.0%: up/broken.avi"):
        Folder(ClipFolderConfig(path=str(folder), resolution=8, frames=4))
    with pytest.raises(ValueError, match=r"11 of 11 clips are .* it has 13 frames; a clip takes at least 16"):
        Folder(ClipFolderConfig(path=str(folder), resolution=8, unreadable=0.1))
