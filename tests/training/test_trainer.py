"""Laws of a whole training: its results, their repetition, and the arguments that are refused."""

from __future__ import annotations

import pytest
import torch

from tests.training.conftest import net, small_split, train
from zigbench.data.split import TensorSplit
from zigbench.training import CheckpointError, DivergedError
from zigbench.training.checkpoints import Checkpoint
from zigbench.training.logging import read_lines


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_a_training_learns_and_its_logs_agree(tmp_path):
    steps_done = []
    result = train(
        tmp_path,
        steps=300,
        batch=16,
        on_step=lambda step, loss, rate: steps_done.append((step, loss)),
        peak_images_per_second=2e6,
    )
    assert result.step == 300
    assert result.images_seen == 4800
    assert [step for step, _ in steps_done] == list(range(1, 301))
    assert result.curve == tuple(steps_done)
    assert result.loss == pytest.approx(sum(loss for _, loss in steps_done[270:]) / 30)
    assert result.loss < 0.7 * steps_done[0][1]
    assert not result.model.training
    lines = read_lines(tmp_path / "log.jsonl")
    assert set(lines[0]) == {"step", "loss", "lr", "grad_norm"}
    figures = read_lines(tmp_path / "telemetry.jsonl")[-1]
    assert figures["step"] == 300
    assert figures["images_per_second"] > 0
    assert figures["matrix_peak_share"] == pytest.approx(figures["images_per_second"] / 2e6, rel=0.05, abs=1e-5)
    assert 0 <= figures["data_wait_share"] <= 1
    assert figures["peak_memory_bytes"] > 1e6


def test_the_same_arguments_give_the_same_bits_and_another_seed_does_not(tmp_path):
    results = [weights(train(tmp_path / str(i), net(dropout=0.2), seed=seed).model) for i, seed in enumerate((3, 3, 4))]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_global_generator_is_neither_used_nor_moved(tmp_path):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = weights(train(tmp_path / "a", net(dropout=0.2)).model)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(weights(train(tmp_path / "b", net(dropout=0.2)).model), first)


def test_a_finished_training_is_read_not_repeated(tmp_path):
    first = train(tmp_path)
    log = (tmp_path / "log.jsonl").read_bytes()
    steps_done = []
    again = train(tmp_path, on_step=lambda step, loss, rate: steps_done.append(step))
    assert steps_done == []
    assert torch.equal(weights(again.model), weights(first.model))
    assert (again.loss, again.curve, again.step) == (first.loss, first.curve, first.step)
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_logs_and_checkpoints_change_nothing(tmp_path):
    plain = train(tmp_path / "a", net(dropout=0.2))
    logged = train(
        tmp_path / "b", net(dropout=0.2), log_every=7, checkpoint_every=3, keep_every=6, activation_checkpointing=True
    )
    assert torch.equal(weights(plain.model), weights(logged.model))
    assert plain.loss == logged.loss
    assert [step for step, _ in logged.curve] == [7, 14, 20]
    assert logged.curve[0][1] == pytest.approx(sum(loss for _, loss in plain.curve[:7]) / 7)
    saved = sorted(int(path.name) for path in (tmp_path / "b" / "checkpoints").iterdir())
    assert saved == [6, 12, 18, 20]


def test_blocks_are_recomputed_only_when_there_are_blocks(tmp_path):
    class Flat(torch.nn.Linear):
        def forward(self, x, t, *, label=None, context=None):
            return super().forward(x)

    with pytest.raises(ValueError, match=r"Flat has no attribute 'blocks'"):
        train(tmp_path, Flat(4, 4), activation_checkpointing=True)


def test_accumulated_parts_are_the_whole_batch(tmp_path):
    whole, parts = (train(tmp_path / str(n), accumulate=n) for n in (1, 4))
    assert [loss for _, loss in parts.curve] == pytest.approx([loss for _, loss in whole.curve], rel=1e-4)
    torch.testing.assert_close(weights(parts.model), weights(whole.model), rtol=1e-3, atol=1e-4)


def test_a_compiled_network_trains_alike_and_is_saved_uncompiled(tmp_path):
    plain = train(tmp_path / "plain", net(depth=1), steps=3)
    compiled = train(tmp_path / "compiled", net(depth=1), steps=3, compile=True)
    assert [loss for _, loss in compiled.curve] == pytest.approx([loss for _, loss in plain.curve], rel=1e-4)
    saved = Checkpoint.read(tmp_path / "compiled" / "checkpoints" / "000000003").weights
    assert set(saved) == set(net(depth=1).state_dict())


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01), ("tf32", 1e-3)])
def test_lower_precision_stays_close(tmp_path, precision, tolerance):
    exact, rough = (train(tmp_path / kind, precision=kind, steps=60) for kind in ("float32", precision))
    assert rough.loss == pytest.approx(exact.loss, rel=tolerance)
    assert all(parameter.dtype == torch.float32 for parameter in rough.model.parameters())
    assert torch.get_float32_matmul_precision() == "highest"


def test_an_overflow_of_the_scaled_loss_lowers_the_scale_and_goes_on(tmp_path):
    # Errors of hundreds have gradients that overflow float16 at the first scale of 65,536.
    split = small_split()
    split.x.mul_(200.0)
    result = train(tmp_path, split=split, precision="float16", steps=20)
    lines = read_lines(tmp_path / "log.jsonl")
    assert lines[0]["grad_norm"] is None
    assert lines[-1]["grad_norm"] is not None
    newest = Checkpoint.read(tmp_path / "checkpoints" / "000000020")
    assert newest.state["scaler"]["scale"] < 65536
    assert bool(weights(result.model).isfinite().all())


def test_a_gradient_that_no_scale_can_hold_is_a_divergence(tmp_path):
    split = small_split()
    split.x.mul_(2000.0)
    with pytest.raises(DivergedError, match=r"the gradient of out.weight is not finite"):
        train(tmp_path, split=split, precision="float16")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"batch": 9, "accumulate": 2}, ValueError, "training.batch is 9, .* take a multiple of 2"),
        ({"label_dropout": 1.5}, ValueError, r"label_dropout is 1.5; it must lie in \[0, 1\]"),
        ({"split": TensorSplit("empty", torch.empty(0, 1, 4, 4))}, ValueError, "'empty' holds no samples"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_before_the_first_step(tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        train(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "its seed is 0, here it is 1"),
        ({"lr": 0.5}, "its optimizer lr is 0.01, here it is 0.5"),
        ({"model": net(width=4)}, r"its architecture label.weight is torch.float32 \(4, 8\), here it is"),
        ({"split": small_split(40)}, "its data is"),
        ({"coupling": "optimal-transport"}, "its interpolant coupling is independent, here it is optimal-transport"),
        ({"path": "vp"}, r"its interpolant path is Linear\(\), here it is VariancePreserving\(beta_min=0.1,"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_left_alone(tmp_path, changes, words):
    train(tmp_path, steps=2)
    log = (tmp_path / "log.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match=words):
        train(tmp_path, **{"steps": 2, **changes})
    assert (tmp_path / "log.jsonl").read_bytes() == log
    assert train(tmp_path, steps=2).step == 2


def test_the_average_is_measured_at_the_given_steps_and_nothing_else_changes(tmp_path):
    measured: dict[int, torch.Tensor] = {}

    def measure(step: int, model: torch.nn.Module) -> None:
        assert not model.training
        torch.rand(3)  # Whatever it draws, the training draws what it would have drawn.
        measured[step] = weights(model).clone()

    alone = train(tmp_path / "alone", net(dropout=0.2))
    watched = train(tmp_path / "watched", net(dropout=0.2), measure_at=(4, 11), measure=measure)
    assert list(measured) == [4, 11]
    assert torch.equal(weights(alone.model), weights(watched.model))
    logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("alone", "watched")]
    assert logs[0] == logs[1]
    train(tmp_path / "short", net(dropout=0.2), schedule="constant", measure_at=(4,), measure=measure)
    four = train(tmp_path / "four", net(dropout=0.2), schedule="constant", steps=4)
    assert torch.equal(weights(four.model), measured[4])
