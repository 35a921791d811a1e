"""The held-out loss: closed forms, pairing, and the figure for token 0."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.support.gaussian_mixture import meanings
from zigbench.data.split import TensorSplit
from zigbench.evaluation import read_protocols
from zigbench.evaluation.context import EvaluationContext
from zigbench.evaluation.measure import evaluate
from zigbench.evaluation.metrics.held_out import bin_means, measure
from zigbench.evaluation.triples import SEED, held_out_errors, image_of_triple, stratified_times
from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant
from zigbench.interpolant.cutoff import SAMPLING
from zigbench.sampling import starting_noise
from zigbench.spec import registry
from zigbench.spec.rng import derive_seed

from ..conftest import Split

ONE = Split("one", torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8), torch.tensor([3]))


class Oracle:
    """Knows the one image there is, and so what each kind of network should answer."""

    def __init__(self, interpolant: Interpolant) -> None:
        self.interpolant = interpolant

    def __call__(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        state = self.interpolant.state(t)
        alpha, sigma = state.alpha.reshape(-1, 1, 1, 1), state.sigma.reshape(-1, 1, 1, 1)
        noise = (x.double() - alpha * ONE.x) / sigma
        return meanings(state, ONE.x.expand_as(x).double(), noise)[self.interpolant.prediction].float()


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("path", PATHS)
def test_a_perfect_network_has_no_loss_whatever_its_path_and_prediction(path: str, prediction: str) -> None:
    interpolant = Interpolant(path, prediction)
    errors = held_out_errors(Oracle(interpolant), interpolant, ONE, count=200, patch=2, batch=50)
    inner = (errors.t > 0.05) & (errors.t < 0.95)
    assert errors.loss[inner].max() < 1e-4
    assert errors.token_0[inner].max() < 1e-4
    assert errors.loss.mean() < 0.01  # At the ends, too, where the conversion is held or the path does not reach.
    assert torch.equal(errors.t, stratified_times(SEED, 200))


class Off(Oracle):
    """Answers with a constant error."""

    error = 0.1

    def __call__(self, x: Tensor, t: Tensor, **conditions: Tensor | None) -> Tensor:
        return super().__call__(x, t) + self.error


@pytest.mark.parametrize("path", ["linear", "gvp"])
def test_a_converted_error_is_finite_and_as_the_cut_off_says(path: str) -> None:
    """v = (x_t − ε)/t of a predicted noise off by δ is off by δ/t, held at t₀: mean δ² (2/t₀ − 1), for any path."""
    interpolant = Interpolant(path, "noise")
    found = held_out_errors(Off(interpolant), interpolant, ONE, count=4_000, patch=2, batch=1_000)
    held = SAMPLING[0] / (1 + SAMPLING[0])
    assert float(found.loss.mean()) == pytest.approx(Off.error**2 * (2 / held - 1), rel=0.02)


def test_the_straight_velocity_is_asked_as_it_is() -> None:
    """No conversion, no holding: the very numbers of ‖v_θ − (x* − ε)‖², and the triples everybody gets."""
    asked = []

    def network(x: Tensor, t: Tensor, **_: Tensor | None) -> Tensor:
        asked.append((x, t))
        return x * t.reshape(-1, 1, 1, 1)

    errors = held_out_errors(network, Interpolant(), ONE, count=64, patch=2, batch=64)
    ((x, t),) = asked
    t64 = stratified_times(SEED, 64)
    assert torch.equal(t, t64.float())
    noise = starting_noise([derive_seed(SEED, "held-out noise", index) for index in range(64)], (1, 8, 8))
    wide = t64.float().reshape(-1, 1, 1, 1)
    torch.testing.assert_close(x, wide * ONE.x + (1 - wide) * noise)
    expected = (network(x, t) - (ONE.x - noise)).double().square().flatten(1).mean(1)
    assert torch.equal(errors.loss, expected)


def test_a_silent_network_has_the_velocitys_own_variance() -> None:
    """For v = x* − ε and the answer 0, E‖v‖² = mean(x*²) + 1."""
    errors = held_out_errors(lambda x, t, **_: torch.zeros_like(x), Interpolant(), ONE, count=2_000, patch=2, batch=500)
    assert errors.loss.mean() == pytest.approx(float(ONE.x.square().mean()) + 1, rel=0.02)
    corner = float(ONE.x[..., :2, :2].square().mean()) + 1
    assert errors.token_0.mean() == pytest.approx(corner, rel=0.05)


def test_triples_do_not_depend_on_batch_or_call(network, digits) -> None:
    split = digits.split("held-out")
    a, b = (held_out_errors(network, Interpolant(), split, count=100, patch=2, batch=batch) for batch in (100, 7))
    torch.testing.assert_close(a.loss, b.loss)
    torch.testing.assert_close(a.token_0, b.token_0)
    assert torch.equal(a.t, b.t)


def test_fewer_triples_than_images_and_more(network, digits) -> None:
    split = digits.split("held-out")
    for count in (1, len(split) + 5):
        assert len(held_out_errors(network, Interpolant(), split, count=count, patch=1, batch=64).loss) == count


def test_bins_divide_the_mean() -> None:
    t = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    values = t**2
    means = bin_means(t, values, 16)
    assert len(means) == 16
    assert sum(means) / 16 == pytest.approx(float(values.mean()))
    assert list(means) == sorted(means)


def test_token_0_is_the_whole_image_when_the_patch_is(network, digits) -> None:
    errors = held_out_errors(network, Interpolant(), digits.split("held-out"), count=20, patch=8, batch=20)
    assert torch.equal(errors.loss, errors.token_0)


@given(seed=st.integers(0, 1000), count=st.integers(1, 500))
def test_every_stratum_holds_one_time(seed: int, count: int) -> None:
    times = stratified_times(seed, count)
    assert ((times > 0) & (times < 1)).all()
    assert (times * count).floor().long().sort().values.tolist() == list(range(count))


@given(images=st.integers(1, 300), count=st.integers(1, 300))
def test_strided_triples_cover_the_whole_split_evenly(images: int, count: int) -> None:
    chosen = [image_of_triple(index, count, images, "strided") for index in range(count)]
    times = torch.bincount(torch.tensor(chosen), minlength=images)
    assert len(times) == images
    assert times.max() - times.min() <= 1
    gaps = torch.tensor([*chosen, images]).diff()
    assert gaps.max() <= -(-images // count)


def test_strided_triples_are_the_same_noise_and_times_on_other_images(digits, network) -> None:
    split = digits.split("held-out")
    whole = held_out_errors(network, Interpolant(), split, count=len(split), patch=1, batch=64)
    strided = held_out_errors(network, Interpolant(), split, count=len(split), patch=1, batch=64, triples="strided")
    assert torch.equal(whole.loss, strided.loss)
    half = held_out_errors(network, Interpolant(), split, count=100, patch=1, batch=64, triples="strided")
    former = held_out_errors(network, Interpolant(), split, count=100, patch=1, batch=64)
    assert torch.equal(half.t, former.t)
    assert not torch.equal(half.loss, former.loss)


def test_the_choice_of_triples_is_part_of_id_and_protocol(digits, network, make_spec, tmp_path, cache) -> None:
    former, strided = (
        make_spec(evaluation__metrics=["held_out_loss"], **changes)
        for changes in ({}, {"evaluation__triples": "strided"})
    )
    assert "triples" not in former.resolved()["evaluation"]
    assert former.id != strided.id
    hashes = set()
    for spec in (former, strided):
        found = evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
        hashes |= {measurement.protocol for measurement in found}
        for protocol in read_protocols(tmp_path).values():
            assert ("triples" in protocol.model_dump(mode="json")) == (spec is strided)
    assert len(hashes) == 2 * 5


def test_the_reference_predictors_stand_beside_the_loss(digits, network, make_spec, tmp_path, cache) -> None:
    spec = make_spec(evaluation__metrics=["held_out_loss"], evaluation__held_out=512)
    found = {m.name: m for m in evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)}
    assert set(found) == {"held_out_loss", *dict(registry.metrics.get("held_out_loss").predictors)}
    protocols = read_protocols(tmp_path)
    assert protocols[found["held_out_loss_linear"].protocol].network.startswith("reference predictor linear")
    assert protocols[found["held_out_loss"].protocol].network == "averaged weights"
    losses = [found[f"held_out_loss_{name}"].value for name in ("linear", "pixelwise", "brightness", "zero")]
    assert losses == sorted(losses)


def test_a_split_in_groups_has_a_loss_for_each_whose_mean_is_the_whole(digits, network, make_spec, tmp_path, cache):
    spec = make_spec(evaluation__metrics=["held_out_loss"], evaluation__held_out=3 * 359, evaluation__triples="strided")
    names = ["left"] * 100 + ["right"] * 259
    held_out = digits.split("held-out")

    class Grouped:
        def split(self, name):
            split = digits.split(name)
            return TensorSplit("digits", split.x, split.label, groups=names) if name == "held-out" else split

    context = EvaluationContext(network, Interpolant(), Grouped(), spec, folder=tmp_path, cache=cache)
    found = {m.name: m for m in measure(context, registry.metrics.get("held_out_loss"))}
    errors = context.held_out_errors()
    assert found["held_out_loss[left]"].value == pytest.approx(float(errors.loss[:300].mean()))
    assert found["held_out_loss[right]"].value == pytest.approx(float(errors.loss[300:].mean()))
    whole = (300 * found["held_out_loss[left]"].value + 777 * found["held_out_loss[right]"].value) / 1077
    assert whole == pytest.approx(found["held_out_loss"].value)
    assert len(held_out) == len(names)
    plain = EvaluationContext(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
    assert not [m.name for m in measure(plain, registry.metrics.get("held_out_loss")) if "[" in m.name]
