"""The catalogue: every metric can be found, computed by something that exists, and refused where it has no sense."""

from __future__ import annotations

import pytest

from zigbench.evaluation import Metric, read_protocols
from zigbench.evaluation.extractors.catalogue import NAMES
from zigbench.evaluation.measure import evaluate
from zigbench.evaluation.metrics.catalogue import default_metrics
from zigbench.interpolant import Interpolant
from zigbench.records.record import Measurement
from zigbench.spec import registry
from zigbench.spec.errors import SpecError
from zigbench.spec.registry import load_object


@pytest.mark.parametrize("name", registry.metrics.names())
def test_every_metric_is_registered_under_its_name_and_can_be_computed(name: str) -> None:
    metric = registry.metrics.get(name)
    assert metric.name == name
    assert callable(load_object(metric.compute))
    assert set(metric.extractors) <= set(NAMES)
    assert (metric.extractor is None) == (metric.feature is None)


def test_every_metric_describes_itself_in_a_line_of_its_own() -> None:
    lines = [registry.metrics.get(name).description for name in registry.metrics.names()]
    assert len(set(lines)) == len(lines)
    assert "FID, lower is better (from samples' features of inception)" in lines
    assert "Held-out velocity loss, lower is better (from errors on held-out images)" in lines
    assert "Bits per dimension of held-out images, lower is better (from likelihood of held-out images)" in lines
    assert registry.metrics.get("clip_score").description.endswith(
        "(from samples' features of clip and their captions)"
    )
    ratio = registry.metrics.get("frechet_ratio").description
    assert ratio.endswith("lower is better (from samples' features of inception, dinov2-large, clip)")


def test_only_inceptions_features_are_called_fid() -> None:
    called = [name for name in registry.metrics.names() if "FID" in registry.metrics.get(name).title]
    assert {registry.metrics.get(name).extractor for name in called} == {"inception"}


@pytest.mark.parametrize("name", ["frechet_digits", "kid_digits", "recognised"])
def test_a_metric_of_digits_is_refused_elsewhere_before_anything_runs(make_spec, name: str) -> None:
    with pytest.raises(SpecError, match=f"evaluation.metrics = '{name}': reads labelled grey digits"):
        make_spec(data__name="photographs", evaluation__metrics=[name])


def test_an_evaluation_that_names_no_metrics_measures_those_that_it_always_did(make_spec) -> None:
    digits = ("held_out_loss", "held_out_loss_token_0", "frechet_digits", "kid_digits", "recognised")
    assert set(default_metrics(make_spec().geometry)) == {*digits, "frechet_random", "kid_random"}


def test_an_unknown_metric_is_refused_with_the_nearest_name(make_spec) -> None:
    with pytest.raises(SpecError, match="did you mean 'frechet_digits'"):
        make_spec(evaluation__metrics=["frechet_digit"])


def test_an_unreadable_reference_is_refused(make_spec) -> None:
    with pytest.raises(SpecError, match="train, held-out, train-decoded, held-out-decoded, or the path"):
        make_spec(evaluation__reference="validation")


def brightness(context, metric) -> tuple[Measurement, ...]:
    """Mean level of the samples: a metric of a user's own."""
    samples = context.samples()
    protocol = context.protocol(metric, estimator="mean of all pixels")
    level = float(samples.images(0, len(samples)).float().mean())
    return (Measurement(name=metric.name, value=level, protocol=protocol.hash),)


@pytest.fixture
def own_metrics(monkeypatch) -> None:
    """Metrics that are registered for one test alone: commands that are forked later do not know them."""
    for name in ("_registered", "_looked_up"):
        monkeypatch.setattr(registry.metrics, name, dict(getattr(registry.metrics, name)))


def test_a_metric_of_ones_own_takes_a_description_and_a_function(
    own_metrics, network, digits, make_spec, tmp_path, cache
) -> None:
    metric = Metric("brightness", "mean level", None, f"{__name__}:brightness", pixels=True)
    registry.metrics.register("brightness")(metric)
    spec = make_spec(evaluation__metrics=["brightness"])
    (measured,) = evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
    assert 0 < measured.value < 255
    (protocol,) = read_protocols(tmp_path).values()
    assert measured.protocol == protocol.hash
    assert (protocol.samples, protocol.steps, protocol.extractor) == (60, 2, None)


def test_a_metric_reads_errors_or_samples_or_features_of_samples() -> None:
    def metric(**reads):
        return Metric("m", "m", None, "m:measure", **reads)

    assert not metric().reads_samples
    assert metric(pixels=True).reads_samples
    assert metric(extractor="random", feature="features").reads_samples
