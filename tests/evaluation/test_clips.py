"""Metrics of clips: oracles, clips that are never mixed, and a whole run on moving digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from zigbench.evaluation import read_protocols
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.extractors.random_features import RandomClipFeatures
from zigbench.evaluation.generation import Samples, SamplingPlan, generate
from zigbench.evaluation.images import RealImages
from zigbench.evaluation.metrics.frechet import frechet_distance
from zigbench.evaluation.metrics.intervals import bootstrap_interval
from zigbench.evaluation.references import Reference
from zigbench.interpolant import Interpolant
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.spec import RunSpec, SamplerSpec
from zigbench.spec.errors import SpecError

from .conftest import Split
from .image_sets import Images, images

FRAMES = 5


class MeanOfFrames:
    """An extractor of clips that reads off what was planted: the frames' mean grey values, in order."""

    name, sha256, preparation, provides, clips = "means", "none", "none", ("features",), True

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        return {"features": images.float().mean((2, 3, 4))}


class MeanOfFrame(MeanOfFrames):
    clips = False

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        return {"features": images.float().mean((1, 2, 3))[:, None]}


def planted(indices) -> Tensor:
    """Clips in [-1, 1] whose frame f has the grey value 20·(i mod 10) + f everywhere."""
    grey = torch.tensor([[20 * (int(i) % 10) + frame for frame in range(FRAMES)] for i in indices])
    return (grey / 127.5 - 1)[:, :, None, None, None].expand(-1, -1, 1, 4, 4)


def expected(count: int) -> Tensor:
    return torch.tensor([[20.0 * (i % 10) + frame for frame in range(FRAMES)] for i in range(count)])


class Still(torch.nn.Module):
    """A network that leaves the noise where it is."""

    def forward(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x)


def test_planted_clips_come_back_whole_and_in_order(tmp_path: Path) -> None:
    """From the network through blocks, shards, files and pieces to the features, and for the real ones alike."""
    count = 43
    plan = SamplingPlan(0, count, 4, (FRAMES, 1, 4, 4), None, SamplerSpec(steps=1))
    first: dict[float, int] = {}

    def decode(x: Tensor) -> Tensor:
        """Return the clips of samples by their noise: numbered as first seen, so that blocks of any size agree."""
        return planted([first.setdefault(float(clip[0, 0, 0, 0]), len(first)) for clip in x])

    generate(Still(), Interpolant(), plan, tmp_path, decode=decode)
    samples = Samples.gather(tmp_path, plan)
    real = RealImages(Split("planted", planted(range(count)), None))
    for clips in (samples, real):
        assert clips.images(0, 3).shape == (3, FRAMES, 1, 4, 4)
        for batch in (1, 7, 128):
            whole = extract_features(MeanOfFrames(), clips, ["features"], batch=batch)["features"]
            assert torch.equal(whole, expected(count))
            frames = extract_features(MeanOfFrame(), clips, ["features"], batch=batch)["features"]
            assert torch.equal(frames.reshape(count, FRAMES), expected(count))


def test_resamples_draw_whole_clips() -> None:
    drawn = []
    bootstrap_interval(0.0, lambda rows: drawn.append(rows) or [0.0, 0.0], 6 * FRAMES, 2, rows_per_sample=FRAMES)
    rows = drawn[0].reshape(2, 6, FRAMES)
    assert torch.equal(rows % FRAMES, torch.arange(FRAMES).expand(2, 6, FRAMES))
    assert torch.equal(rows // FRAMES, rows[..., :1] // FRAMES * torch.ones(FRAMES, dtype=torch.int64))


def test_repeated_frames_do_not_narrow_the_interval() -> None:
    """Clips of equal frames say no more than their first frames do: drawn by clip, the interval is the same."""
    values = torch.randn(40, generator=torch.Generator().manual_seed(0)).double()
    frames = values.repeat_interleave(FRAMES)
    of = lambda x: lambda rows: x[rows].mean(1).tolist()  # noqa: E731
    alone = bootstrap_interval(0.0, of(values), 40, 200)
    assert bootstrap_interval(0.0, of(frames), 40 * FRAMES, 200, rows_per_sample=FRAMES) == pytest.approx(alone)


def clips(seed: int, count: int = 24, channels: int = 3) -> Tensor:
    return images(seed, count * FRAMES, channels=channels).reshape(count, FRAMES, channels, 16, 16)


def test_random_3d_features_of_any_length_and_size_with_one_hash(tmp_path: Path) -> None:
    a, b = load_extractor("random-3d", tmp_path), RandomClipFeatures()
    assert a.sha256 == b.sha256
    for shape in ((1, 4, 4), (2, 7, 20), (16, 16, 16)):
        frames, height, width = shape
        found = a.extract(torch.zeros(2, frames, 1, height, width, dtype=torch.uint8))["features"]
        assert found.shape == (2, 144)
        assert torch.isfinite(found).all()
    grey = clips(0, 3, channels=1)
    assert torch.equal(a.extract(grey)["features"], b.extract(grey.expand(-1, -1, 3, -1, -1))["features"])
    with pytest.raises(ValueError, match="'random-3d' reads clips"):
        extract_features(a, Images(images(0, 4)), ["features"])


def test_random_3d_features_do_not_depend_on_batches_but_on_the_order_of_frames() -> None:
    some, extractor = clips(2), RandomClipFeatures()
    whole, pieces = (extract_features(extractor, Images(some), ["features"], batch=b)["features"] for b in (24, 5))
    torch.testing.assert_close(whole, pieces)
    mixed = some[:, [2, 0, 4, 1, 3]]
    other = extract_features(extractor, Images(mixed), ["features"])["features"]
    assert ((other - whole).abs().amax(1) > 1e-3).all()


def test_the_distance_of_clips_is_zero_to_themselves_symmetric_and_sees_mixed_clips() -> None:
    extractor = RandomClipFeatures()
    some = clips(0, 200)
    mixed = some.reshape(40, FRAMES, FRAMES, 3, 16, 16).transpose(1, 2).reshape(some.shape)
    x, y, m = (extract_features(extractor, Images(s), ["features"])["features"] for s in (some, clips(3, 200), mixed))
    there, back = frechet_distance(x, Reference.of(y)), frechet_distance(y, Reference.of(x))
    assert frechet_distance(x, Reference.of(x)) == pytest.approx(0, abs=1e-4)
    assert there == pytest.approx(back, rel=1e-4)
    assert there > 0.01
    smooth = some[:, :1].expand(-1, FRAMES, -1, -1, -1)
    broken = smooth.reshape(40, FRAMES, FRAMES, 3, 16, 16).transpose(1, 2).reshape(some.shape)
    s, b = (extract_features(extractor, Images(c), ["features"])["features"] for c in (smooth, broken))
    assert frechet_distance(b, Reference.of(s)) > 0.01
    assert frechet_distance(m, Reference.of(x)) < frechet_distance(b, Reference.of(s))


def test_the_distance_of_gaussian_clips_is_the_closed_form() -> None:
    """Frames' means that are Gaussian: |μ − ν|² + tr(Σ + Λ − 2(ΣΛ)^½), here with diagonal covariances."""
    generator = np.random.default_rng(0)
    count, scale = 20_000, np.linspace(4, 8, FRAMES)
    grey = 128 + generator.standard_normal((count, FRAMES)) * scale
    other = 118 + generator.standard_normal((count, FRAMES)) * scale[::-1]
    x, y = (
        extract_features(MeanOfFrames(), Images(torch.from_numpy(g)[:, :, None, None, None]), ["features"])["features"]
        for g in (grey, other)
    )
    closed = FRAMES * 10.0**2 + ((scale - scale[::-1]) ** 2).sum()
    assert frechet_distance(x, Reference.of(y)) == pytest.approx(closed, rel=0.01)


def test_metrics_of_clips_refuse_images_and_short_clips(tiny) -> None:
    with pytest.raises(SpecError, match="'fvd': compares clips; for images use fid or frechet_random"):
        RunSpec.parse({**tiny, "evaluation.metrics": ["fvd"]})
    short = {**tiny, "data": {"name": "moving-digits", "config": {"frames": 8}}}
    with pytest.raises(SpecError, match="needs clips of at least 9 frames; these have 8"):
        RunSpec.parse({**short, "evaluation.metrics": ["fvd_released"]})
    assert RunSpec.parse({**short, "evaluation.metrics": ["frame_fid", "frechet_random_3d"]}).geometry.frames == 8


def test_a_run_on_clips_from_data_to_record(tiny, tmp_path: Path) -> None:
    spec = RunSpec.parse(
        {
            **tiny,
            "backbone.name": "dit",
            "backbone.config": {"width": 8, "depth": 1, "heads": 2},
            "backbone.patch": 4,
            "data": {"name": "moving-digits", "config": {"frames": 6, "size": 12}},
            "evaluation.metrics": ["held_out_loss", "held_out_loss_token_0", "frechet_random_3d", "frechet_random"],
            "evaluation.samples": 10,
            "evaluation.batch": 4,
            "evaluation.preview": 7,
            "evaluation.held_out": 8,
            "evaluation.bootstrap": 5,
            "evaluation.reference": "held-out",
        }
    )
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert record.status == "ok", record.error
    measured = {measurement.name: measurement for measurement in record.measurements}
    assert set(spec.evaluation.metrics) <= set(measured)
    preview = np.load(folder.path / "samples.npy")
    assert preview.dtype == np.uint8
    assert preview.shape == (7, 6, 1, 12, 12)
    protocols = read_protocols(folder.path)
    of_clips, of_frames = (protocols[measured[m].protocol] for m in ("frechet_random_3d", "frechet_random"))
    assert of_clips.reference_count == 1_024
    assert of_frames.reference_count == 6 * 1_024
    assert of_frames.preparation.endswith("each of the 6 frames of a clip by itself")
    assert of_clips.samples == of_frames.samples == 10
