"""The whole way: from a network to measurements, samples and protocols."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from zigbench.evaluation import difference, read_protocols
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.generation import Samples
from zigbench.evaluation.images import RealImages
from zigbench.evaluation.measure import evaluate, mean_over_sets, prepare
from zigbench.evaluation.metrics import inception_score, kid, precision_recall
from zigbench.evaluation.metrics.frechet import frechet_distance
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.evaluation.references import Reference
from zigbench.interpolant import Interpolant
from zigbench.records.record import Measurement

DIGITS = ("held_out_loss", "held_out_loss_token_0", "frechet_digits", "kid_digits", "recognised")


def test_every_digits_metric_is_measured_once_under_a_protocol(network, digits, make_spec, tmp_path, cache):
    spec = make_spec(evaluation__metrics=DIGITS)
    steps = []
    found = evaluate(
        network,
        Interpolant(),
        digits,
        spec,
        folder=tmp_path,
        cache=cache,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    names = [measurement.name for measurement in found]
    assert len(names) == len(set(names))
    assert set(DIGITS) < set(names)
    protocols = read_protocols(tmp_path)
    for measurement in found:
        assert np.isfinite(measurement.value)
        if measurement.name in DIGITS:
            assert protocols[measurement.protocol].metric == measurement.name
    assert steps[-1] == (64 + 60, 64 + 60)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    samples = np.load(tmp_path / "samples.npy", allow_pickle=False)
    assert samples.shape == (10, 1, 8, 8)
    assert samples.dtype == np.uint8


def test_a_second_evaluation_gives_the_same_figures(network, digits, make_spec, tmp_path, cache):
    spec = make_spec(evaluation__metrics=DIGITS)
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    a, b = (evaluate(network, Interpolant(), digits, spec, folder=f, cache=cache) for f in folders)
    assert a == b
    resumed = evaluate(network, Interpolant(), digits, spec, folder=folders[0], cache=cache)
    assert resumed == a
    assert (folders[0] / "samples.npy").read_bytes() == (folders[1] / "samples.npy").read_bytes()


def test_several_sets_of_samples_are_measured_by_themselves_and_the_figure_is_their_mean(
    network, digits, make_spec, tmp_path, cache
):
    names = ["held_out_loss", "frechet_random", "recognised"]
    found, steps = {}, []
    for sets in (1, 3):
        spec = make_spec(evaluation__metrics=names, evaluation__sample_sets=sets)
        (folder := tmp_path / str(sets)).mkdir()
        measured = evaluate(
            network,
            Interpolant(),
            digits,
            spec,
            folder=folder,
            cache=cache,
            on_progress=lambda *pair: steps.append(pair),
        )
        found[sets] = {measurement.name: measurement for measurement in measured}
    assert "sample_sets" not in make_spec().resolved()["evaluation"]
    assert steps[-1] == (64 + 3 * 60,) * 2
    assert found[3]["held_out_loss"] == found[1]["held_out_loss"]
    for name in ("frechet_random", "recognised"):
        one, three = found[1][name], found[3][name]
        assert three.samples[0] == pytest.approx(one.value)  # The first set is that of a run with one.
        assert len(set(three.samples)) > 1
        assert three.value == pytest.approx(sum(three.samples) / 3)
        assert three.interval == pytest.approx(stats.t.interval(0.95, 2, three.value, stats.sem(three.samples)))
        protocols = (read_protocols(tmp_path / str(sets))[found[sets][name].protocol] for sets in (1, 3))
        assert difference(*protocols) == ("the number of sample sets differs: 1 against 3",)
    assert (tmp_path / "1/samples.npy").read_bytes() == (tmp_path / "3/samples.npy").read_bytes()
    assert not list((tmp_path / "3").glob("samples-set-*"))


def test_a_set_without_a_figure_leaves_that_of_the_first():
    first, none = Measurement(name="a", value=1.0), Measurement(name="a", value=None, note="why")
    assert mean_over_sets([(first,), (none,)]) == (first,)
    assert mean_over_sets([(first,), ()]) == (first,)


def test_no_metrics_means_no_work(network, digits, make_spec, tmp_path, cache):
    assert evaluate(network, Interpolant(), digits, make_spec(), folder=tmp_path, cache=cache) == ()
    assert list(tmp_path.iterdir()) == []


def test_the_networks_mode_is_restored(network, digits, make_spec, tmp_path, cache):
    network.train()
    spec = make_spec(evaluation__metrics=["held_out_loss"])
    evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
    assert network.training


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_a_figure_that_few_samples_do_not_have_is_none_with_a_reason(
    network, digits, make_spec, tmp_path, cache, samples
):
    metrics = ("frechet_digits", "kid_digits", "recognised", "frechet_random", "kid_random")
    spec = make_spec(evaluation__metrics=metrics, evaluation__samples=samples, evaluation__bootstrap=100)
    measured = {m.name: m for m in evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)}
    for name in metrics:
        if samples == 1 and name != "recognised":
            assert measured[name].value is None
            assert "1 samples" in measured[name].note
        else:
            assert np.isfinite(measured[name].value)
    assert set(read_protocols(tmp_path)) >= {m.protocol for m in measured.values() if m.protocol}


def test_a_figure_that_is_not_defined_says_so_of_its_own_kind():
    one, three = torch.ones(1, 4), torch.rand(3, 4)
    for figure in (
        lambda: frechet_distance(one, Reference.of(three)),
        lambda: Reference.of(one),
        lambda: kid.kernel_distance(one, three, size=2),
        lambda: precision_recall.precision_recall(three, three),
        lambda: precision_recall.density_coverage(three, three),
        lambda: inception_score.inception_score(three),
    ):
        with pytest.raises(UndefinedStatisticError, match=r"\b[13]\b"):
            figure()


def test_a_network_of_weights_that_are_not_finite_is_named_as_that(network, digits, make_spec, tmp_path, cache):
    with torch.no_grad():
        network.outer.bias.fill_(float("nan"))
    spec = make_spec(evaluation__metrics=["held_out_loss"], evaluation__preview=0)
    with pytest.raises(ValueError, match="not finite on 64 of 64 held-out triples: its weights hold NaN"):
        evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)


def test_a_network_that_breaks_down_fails_the_evaluation(network, digits, make_spec, tmp_path, cache):
    with torch.no_grad():
        network.outer.bias.fill_(float("nan"))
    spec = make_spec(evaluation__metrics=["frechet_random"])
    with pytest.raises(ValueError, match="not finite"):
        evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)


def test_planning_never_imports_torch():
    code = (
        "import sys; from zigbench.spec import registry; import zigbench.evaluation;"
        "[registry.metrics.get(name) for name in registry.metrics.names()];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Latents:
    """The digits as if they were latents of images twice as large, in colour."""

    decoder = "each latent repeated to 2×2×3"

    def __init__(self, digits) -> None:
        self.split = digits.split

    @staticmethod
    def decode(x: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2).expand(-1, 3, -1, -1)

    def originals(self, split: str) -> Originals:
        return Originals(self.split(split))


class Originals(RealImages):
    """The digits that the decoder returns, up to the lowest bit."""

    treatment, content_hash = "original pictures", "0" * 64

    def images(self, start: int, stop: int) -> torch.Tensor:
        return super().images(start, stop).expand(-1, 3, -1, -1) ^ 1


def test_latents_are_measured_as_the_images_they_decode_to(network, digits, make_spec, tmp_path, cache):
    found = {}
    for data, reference in ((Latents(digits), "train-decoded"), (digits, "train")):
        spec = make_spec(evaluation__metrics=["frechet_random"], evaluation__reference=reference)
        folder = tmp_path / type(data).__name__
        folder.mkdir()
        (found[folder.name],) = evaluate(network, Interpolant(), data, spec, folder=folder, cache=cache)
    samples = {name: np.load(tmp_path / name / "samples.npy") for name in found}
    assert samples["Latents"].shape == (10, 3, 16, 16)
    assert np.array_equal(samples["Latents"][:, :1, ::2, ::2], samples["Digits"])
    (protocol,) = read_protocols(tmp_path / "Latents").values()
    assert protocol.decoder == Latents.decoder
    assert protocol.reference_split == "train, latents decoded"
    assert found["Latents"].protocol != found["Digits"].protocol
    with pytest.raises(ValueError, match="is not made of latents"):
        prepare(
            digits,
            make_spec(evaluation__metrics=["frechet_random"], evaluation__reference="train-decoded"),
            cache=cache,
        )


def test_what_decodes_latents_is_looked_for_before_the_training(make_spec, cache):
    class Undecodable:
        def decode(self, x):
            return x

        @property
        def decoder(self):
            raise ValueError("the autoencoder is not here")

    for metric, preview in (("frechet_random", 0), ("held_out_loss", 10)):
        spec = make_spec(evaluation__metrics=[metric], evaluation__preview=preview)
        with pytest.raises(ValueError, match="the autoencoder is not here"):
            prepare(Undecodable(), spec, cache=cache)
    prepare(Undecodable(), make_spec(evaluation__metrics=["held_out_loss"], evaluation__preview=0), cache=cache)


def test_latents_are_compared_with_their_original_pictures_unless_told_otherwise(
    network, digits, make_spec, tmp_path, cache
):
    data = Latents(digits)
    values, protocols = {}, {}
    for reference in ("train", "train-decoded"):
        spec = make_spec(evaluation__metrics=["frechet_random"], evaluation__reference=reference)
        (found,) = evaluate(network, Interpolant(), data, spec, folder=tmp_path, cache=cache)
        values[reference], protocols[reference] = found.value, read_protocols(tmp_path)[found.protocol]
    extractor = load_extractor("random", cache)
    samples = extract_features(extractor, Samples.read(tmp_path / "samples"), ["features"])["features"]
    pixels = extract_features(extractor, data.originals("train"), ["features"])["features"]
    assert values["train"] == pytest.approx(frechet_distance(samples, Reference.of(pixels)), rel=1e-9)
    assert values["train"] != values["train-decoded"]
    assert protocols["train"].reference_split == "train, original pictures"
    assert protocols["train"].reference_hash == Originals.content_hash
    assert difference(protocols["train"], protocols["train-decoded"])
