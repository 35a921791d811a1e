"""Speed of factorized scans of clips against one scan of as many tokens of an image.

Run with ``pytest tests/benchmarks/test_video.py --benchmark-only``. The comparison is in processor time of one
thread, the sides in turn, so that other load on the machine disturbs little.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from backbones.layers.mamba import MambaMixer
from zigbench.backbone import Geometry, build

from .test_backbones import interleaved, step

WIDTH, BATCH, FRAMES, SIDE = 384, 2, 16, 16
CLIP = Geometry(4, SIDE, SIDE, 1, frames=FRAMES)
IMAGE = Geometry(4, 64, 64, 1)  # as many tokens


class Copying(nn.Module):
    """A temporal mixer that gathers the frames of each place with a copy, and puts its output back with another."""

    def __init__(self) -> None:
        super().__init__()
        self.mixer = MambaMixer(WIDTH, torch.arange(FRAMES)[None])

    def forward(self, x: Tensor) -> Tensor:
        places = x.unflatten(1, (FRAMES, -1)).transpose(1, 2).flatten(0, 1)
        mixed = self.mixer(places).unflatten(0, (len(x), -1))
        return mixed.transpose(1, 2).flatten(1, 2)


def mixers() -> dict[str, nn.Module]:
    """A mixer along space and one along time of a clip, and one over an image of as many tokens."""
    clip = build("zigma-video", CLIP, seed=0, width=WIDTH, depth=2, pattern="st").blocks
    image = build("zigma", IMAGE, seed=0, width=WIDTH, depth=1).blocks
    return {"image": image[0].mixer, "space": clip[0].mixer, "time": clip[1].mixer, "time, copied": Copying()}


def test_factorized_mixers_take_the_time_of_one_scan_of_an_image(benchmark: Any) -> None:
    torch.set_num_threads(1)
    x = torch.randn(BATCH, CLIP.tokens, WIDTH, requires_grad=True)
    made = mixers()
    times = dict(zip(made, interleaved(*(step(mixer, x) for mixer in made.values())), strict=True))
    benchmark.extra_info |= {f"{name} over image": value / times["image"] for name, value in times.items()}
    benchmark.pedantic(step(made["time"], x), rounds=1)
    assert times["space"] <= 1.1 * times["image"]
    assert times["time"] <= 1.1 * times["image"]


def test_a_factorized_block_takes_the_time_of_an_images_block(benchmark: Any) -> None:
    torch.set_num_threads(1)
    clip = build("zigma-video", CLIP, seed=0, width=WIDTH, depth=4, pattern="st")
    image = build("zigma", IMAGE, seed=0, width=WIDTH, depth=4)
    assert CLIP.tokens == IMAGE.tokens
    t = torch.rand(BATCH)
    ours = step(clip, torch.randn(BATCH, *CLIP.sample_shape), t)
    peer = step(image, torch.randn(BATCH, *IMAGE.sample_shape), t)
    mine, theirs = interleaved(ours, peer)
    benchmark.extra_info["ratio"] = mine / theirs
    benchmark.pedantic(ours, rounds=1)
    assert mine <= 1.1 * theirs


@pytest.mark.parametrize("pattern", ["joint", "ssts", "t"])
def test_a_training_step_of_the_miniature(benchmark: Any, pattern: str) -> None:
    network = build("zigma-video", Geometry(1, 12, 12, 2, frames=8), seed=0, width=32, depth=8, pattern=pattern)
    run = step(network, torch.randn(8, 8, 1, 12, 12), torch.rand(8))
    benchmark.pedantic(run, rounds=10, warmup_rounds=2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
