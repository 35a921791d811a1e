"""One way from the network's range to pixels."""

from __future__ import annotations

import pytest
import torch

from zigbench.data.pixels import from_uint8, to_uint8
from zigbench.evaluation.images import RealImages, image_batches


def test_every_level_survives_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(levels)), levels)


def test_the_range_maps_to_its_ends_and_beyond_is_clamped() -> None:
    assert to_uint8(torch.tensor([-1.0, 0.0, 1.0, -7.0, 7.0])).tolist() == [0, 128, 255, 0, 255]


def test_quantisation_is_off_by_half_a_level_at_most() -> None:
    x = torch.linspace(-1, 1, 10_001)
    assert (from_uint8(to_uint8(x)) - x).abs().max() <= 0.5 / 127.5 + 1e-6


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_sample_does_not_pass_as_an_image(value: float) -> None:
    with pytest.raises(ValueError, match="1 of 3 values"):
        to_uint8(torch.tensor([0.0, value, 1.0]))


def test_real_images_come_in_order_and_once(digits) -> None:
    split = digits.split("held-out")
    real = RealImages(split)
    assert torch.equal(torch.cat(list(image_batches(real, 37))), to_uint8(split.batch(range(len(split))).x))


def test_latents_are_decoded_first(digits) -> None:
    split = digits.split("held-out")
    assert torch.equal(RealImages(split, lambda x: -x).images(0, 5), to_uint8(-split.batch(range(5)).x))
