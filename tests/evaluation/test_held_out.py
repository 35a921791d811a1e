"""The held-out loss: closed forms, pairing, and the figure for token 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zigbench.evaluation.held_out import bin_means, held_out_errors
from zigbench.interpolant import PREDICTIONS, Interpolant

from .conftest import Split

ONE = Split("one", torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8), torch.tensor([3]))


class Oracle:
    """Knows the one image there is, and so what each kind of network should answer."""

    def __init__(self, interpolant: Interpolant) -> None:
        self.interpolant = interpolant

    def __call__(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        state = self.interpolant.state(t)

        def wide(values: Tensor) -> Tensor:
            return values.reshape(-1, 1, 1, 1)

        noise = (x.double() - wide(state.alpha) * ONE.x) / wide(state.sigma)
        answers = {
            "velocity": wide(state.dalpha) * ONE.x + wide(state.dsigma) * noise,
            "noise": noise,
            "score": -noise / wide(state.sigma),
            "data": ONE.x.expand_as(x).double(),
        }
        return answers[self.interpolant.prediction].float()


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("path", ["linear", "gvp"])
def test_a_perfect_network_has_no_loss_whatever_it_predicts(path: str, prediction: str) -> None:
    interpolant = Interpolant(path, prediction)
    errors = held_out_errors(Oracle(interpolant), interpolant, ONE, count=200, patch=2, batch=50)
    inner = (errors.t > 0.05) & (errors.t < 0.95)
    assert errors.loss[inner].max() < 1e-4
    assert errors.token_0[inner].max() < 1e-4


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
