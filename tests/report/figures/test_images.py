"""Clips on a page: frame after frame for print, moving for the screen, within the budget, and on request still."""

from __future__ import annotations

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from zigbench import suite as suites
from zigbench.records.folder import RunFolder
from zigbench.records.record import Measurement, Record
from zigbench.report import page
from zigbench.report.figures import images as pictures
from zigbench.suite import Axis, Suite, grid

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def clips(count: int, frames: int, channels: int, height: int, width: int) -> np.ndarray:
    """Clips whose every frame has a grey level of its own: 16·clip + frame."""
    levels = 16 * np.arange(count)[:, None] + np.arange(frames)
    return np.broadcast_to(
        levels[..., None, None, None].astype(np.uint8), (count, frames, channels, height, width)
    ).copy()


@pytest.mark.parametrize(("frames", "told"), [(16, [0, 4, 8, 11, 15]), (3, [0, 1, 2]), (1, [0])])
def test_a_film_shows_evenly_spaced_frames_of_each_clip(frames: int, told: list[int]) -> None:
    picture = pictures.film(clips(4, frames, 3, 5, 6), count=2)
    n = len(told)
    assert picture.shape == (5, 2 * (7 * n - 1) + 3, 4)
    starts = [clip * (7 * n + 2) + 7 * k for clip in range(2) for k in range(n)]
    assert [int(picture[0, start, 0]) for start in starts] == [*told, *(16 + frame for frame in told)]
    assert not picture[:, 7 * n - 1 : 7 * n + 2, 3].any()


def test_moving_clips_keep_their_places_and_their_frames() -> None:
    samples = {"a": clips(3, 4, 1, 5, 6), "b": clips(2, 4, 1, 5, 6) + 100}
    frames = pictures.moving_grid(samples)
    assert len(frames) == 4
    for number, frame in enumerate(frames):
        assert frame.shape == (11, 20, 4)
        assert frame[0, [0, 7, 14], 0].tolist() == [number, 16 + number, 32 + number]
        assert frame[6, [0, 7], 0].tolist() == [100 + number, 116 + number]
        assert not frame[6:, 14:, 3].any()


def test_an_animation_decodes_to_its_frames() -> None:
    frames = pictures.moving_grid({"a": clips(2, 5, 3, 8, 8)})
    with Image.open(io.BytesIO(pictures.encode_webp(frames))) as picture:
        assert picture.n_frames == 5
        assert picture.info["loop"] == 0
        for number, frame in enumerate(frames):
            picture.seek(number)
            seen = np.asarray(picture.convert("RGBA"))
            assert np.array_equal(seen[frame[..., 3] > 0], frame[frame[..., 3] > 0])


def test_large_clips_stay_within_the_budget(monkeypatch) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 200_000)
    noise = np.random.default_rng(0).integers(0, 256, (10, 3, 3, 70, 70), dtype=np.uint8)
    rows = pictures.sample_rows({f"arm {i}": noise for i in range(2)})
    assert sum(len(row.still.source) + len(row.moving.source) for row in rows) <= 200_000


def test_images_do_not_move() -> None:
    images = {"a": np.zeros((3, 1, 8, 8), np.uint8)}
    assert pictures.sample_rows(images)[0].moving is None
    assert pictures.animation(images) is None
    assert pictures.animation({**images, "b": clips(2, 3, 1, 8, 8)}) is None


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page on three finished runs that have made clips."""
    tmp_path = tmp_path_factory.mktemp("moving")
    asked = Suite(
        name="moving",
        question="Do clips move?",
        base={
            "backbone": {"name": "dit-video", "config": {"width": 32, "depth": 2, "heads": 2}, "patch": 4},
            "data": {"name": "moving-digits", "config": {"frames": 6, "size": 12}},
            "evaluation.metrics": ["held_out_loss"],
        },
        axes=(
            Axis("arm", {p: {"backbone.config.pattern": p} for p in ("st", "joint")}),
            grid("seed", (0, 1)),
        ),
    )
    cells = tuple(suites.expand(asked))
    for number, cell in enumerate(cells):
        folder = RunFolder.of(cell.spec, tmp_path / "runs")
        folder.submit(cell.spec)
        np.save(folder.path / "samples.npy", clips(10, 6, 1, 12, 12))
        loss = Measurement(name="held_out_loss", value=0.5 + 0.01 * number, higher_is_better=False)
        Record(
            id=folder.id, status="ok", spec=cell.spec.resolved(), measurements=(loss,), environment={}, error=None
        ).write(folder.record)
    out = tmp_path / "report"
    return page.write(asked, cells, root=tmp_path / "runs", out=out, command="zigbench report moving", run_pages=True)


def test_a_page_shows_clips_moving_with_a_still_one_behind(written) -> None:
    text = written.read_text(encoding="utf-8")
    assert text.count('media="screen and (prefers-reduced-motion: no-preference)"') == 2
    assert "10 generated clips of joint, 6 frames of 12 by 12 pixels each" in text
    assert 'href="figures/samples.webp"' in text
    assert len(text) < 5_000_000
    embedded = text.split('srcset="data:image/webp;base64,')[1].split('"')[0]
    with Image.open(io.BytesIO(base64.b64decode(embedded))) as picture:
        assert picture.n_frames == 6
    with Image.open(written.parent / "figures" / "samples.webp") as picture:
        assert picture.n_frames == 6
    assert "frames 1, 2, 3, 5, 6 of 6" in text
    run = next((written.parent / "runs").glob("*.html")).read_text(encoding="utf-8")
    assert "<picture><source" in run


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")
def test_clips_stand_still_where_less_motion_is_asked_for_and_in_print(written) -> None:
    shown = "[...document.querySelectorAll('#samples img')].map(i => i.currentSrc.slice(5, 15))"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        sheet = browser.new_page()
        for media, motion, kind in (
            ("screen", "no-preference", "image/webp"),
            ("screen", "reduce", "image/png;"),
            ("print", "no-preference", "image/png;"),
        ):
            sheet.emulate_media(media=media, reduced_motion=motion)
            sheet.goto(written.as_uri())
            assert sheet.evaluate(shown) == [kind, kind]
        browser.close()
