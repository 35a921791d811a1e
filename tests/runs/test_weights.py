"""Laws of weights: what is imported can be measured, what is exported is what was imported, content is checked."""

from __future__ import annotations

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from backbones.pretrained import checkpoint
from tests.support.processes import zigbench
from zigbench.backbone import Geometry, build
from zigbench.cli import app
from zigbench.interpolant import Interpolant
from zigbench.launch import launch_local, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.runs.execute import execute
from zigbench.runs.weights import evaluation_of, export_run, fetch, keep, load_network, steps_with_checkpoint
from zigbench.sampling import sample, starting_noise
from zigbench.spec import EvaluationRun, Resources, RunSpec
from zigbench.suite import Cell

DIGITS = Geometry(1, 8, 8, 2, classes=10)
SMALL = {"width": 16, "depth": 2, "heads": 2}
SIT = {**SMALL, "learned_sigma": True, "time": "unit"}


def finish(spec: RunSpec, root) -> Record:
    list(launch_local(plan([Cell({"run": "0"}, spec)], root), Resources(memory_gb=1.0), root, workers=1))
    return Record.read(RunFolder.of(spec, root).record)


def test_a_released_file_becomes_a_run_that_can_be_measured_and_written_back(tmp_path):
    network = build("dit", DIGITS, seed=3, **SIT)
    save_file(checkpoint.export(network, "sit"), tmp_path / "sit.safetensors")
    settings = [f"--set=backbone.config.{key}={value}" for key, value in SMALL.items()]
    settings += ["--set=evaluation.samples=16", "--set=evaluation.held_out=64", "--set=sampler.steps=2"]
    command = ["import", "sit.safetensors", "--release", "sit", "--data", "digits", "--patch", "2"]
    done = zigbench(*command, *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = [path.name for path in (tmp_path / "results/runs").iterdir()]
    spec = RunFolder(tmp_path / "results/runs" / run).read_spec()
    loaded = load_network(spec, tmp_path / "results")
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    done = zigbench("evaluate", run, "--set=evaluation.metrics=[]", cwd=tmp_path)
    assert (done.returncode, "nothing to measure" in done.stderr) == (2, True)
    done = zigbench("evaluate", run, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for metric in ("held_out_loss", "frechet_digits", "frechet_random", "recognised"):
        assert re.search(rf"^{metric} +[0-9]", done.stdout, re.M), metric
    assert "recorded as run" in done.stdout
    done = zigbench("export", run[:6], "back.safetensors", "--release", "sit", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before, after = (load_file(tmp_path / name) for name in ("sit.safetensors", "back.safetensors"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_plain_export_holds_all_that_builds_the_network_again(tmp_path):
    network = build("zigma", DIGITS, seed=3, width=16, depth=2, curve="hilbert", schemes=4, position="none")
    spec = EvaluationRun.parse(
        {
            "task": "evaluate",
            "weights": keep(network.state_dict(), tmp_path / "results"),
            "backbone": {"name": "zigma", "patch": 2, "config": {"width": 16, "depth": 2}},
            "scan": {"curve": "hilbert", "schemes": 4},
            "position": "none",
            "data.name": "digits",
        }
    )
    folder = RunFolder.of(spec, tmp_path / "results/runs")
    folder.submit(spec)
    done = zigbench("export", folder.id, "mine", "--to", "plain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "mine/config.json").read_text())
    again = build(config["backbone"], Geometry(**config["geometry"]), **config["keywords"])
    again.load_state_dict(load_file(tmp_path / "mine/model.safetensors"))
    x, t, label = torch.randn(3, 1, 8, 8), torch.rand(3), torch.arange(3)
    with torch.no_grad():
        assert torch.equal(again.eval()(x, t, label=label), network.eval()(x, t, label=label))
    assert config["interpolant"]["path"] == "linear"
    done = zigbench("export", folder.id, "mine", "--to", "onnx", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown target 'onnx' (known: diffusers, plain, dis, dit, " in done.stderr


@pytest.mark.parametrize("objective", ["mean-flow", "consistency"])
def test_a_network_of_few_steps_is_exported_whole_or_not_at_all(objective, tmp_path):
    times = {"times": 2} if objective == "mean-flow" else {}
    network = build("dit", DIGITS, seed=3, **SMALL, **times)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():  # A network as it is initialised returns 0.
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    spec = EvaluationRun.parse(
        {
            "task": "evaluate",
            "weights": keep(network.state_dict(), tmp_path / "results"),
            "backbone": {"name": "dit", "patch": 2, "config": {**SMALL, **times}},
            "objective.name": objective,
            "sampler": {"solver": objective, "steps": 2},
            "data.name": "digits",
        }
    )
    folder = RunFolder.of(spec, tmp_path / "results/runs")
    folder.submit(spec)
    export_run(folder, "plain", tmp_path / "mine", tmp_path / "results")
    config = json.loads((tmp_path / "mine/config.json").read_text())
    again = build(config["backbone"], Geometry(**config["geometry"]), **config["keywords"]).eval()
    again.load_state_dict(load_file(tmp_path / "mine/model.safetensors"))
    noise, seeds, label = starting_noise(range(3), (1, 8, 8)), [0, 1, 2], torch.arange(3)
    first, second = (
        sample(one, Interpolant(**config["interpolant"]), noise, label=label, generator=seeds, **config["sampler"])
        for one in (network.eval(), again)
    )
    assert torch.equal(first, second)
    assert config["objective"]["name"] == objective
    for target in ("sit", "diffusers"):
        with pytest.raises(ValueError, match=r"released (flows|networks of one time input)|2 time inputs|a jump"):
            export_run(folder, target, tmp_path / target, tmp_path / "results")
        assert not (tmp_path / target).exists()


def test_released_hilbert_weights_are_imported_with_the_releases_orders(tmp_path):
    config = {"width": 16, "depth": 4, "position": "learned"}
    network = build("zigma", DIGITS, seed=3, curve="hilbert-released[numbering=release]", **config)
    save_file(checkpoint.export(network, "zigma"), tmp_path / "zigma.safetensors")
    settings = [f"--set=backbone.config.{key}={config[key]}" for key in ("width", "depth")]
    command = ["import", "zigma.safetensors", "--release", "zigma", "--data", "digits", "--patch", "2"]
    done = zigbench(*command, *settings, "--set=scan.curve=hilbert-released", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "results/runs").iterdir()
    spec = RunFolder(folder).read_spec()
    assert spec.scan.curve == "hilbert-released[numbering=release]"
    loaded = load_network(spec, tmp_path / "results").state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in network.state_dict().items())


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    weights = {"sound": torch.ones(2), "broken": torch.tensor([1.0, torch.nan]), "huge": torch.tensor([torch.inf])}
    with pytest.raises(ValueError, match="2 of 3 weights hold NaN or infinite values: broken, huge"):
        keep(weights, tmp_path)
    assert not list(tmp_path.iterdir())


def test_evaluating_a_trained_run_gives_the_figures_of_its_record(tmp_path, tiny):
    root = tmp_path / "results/runs"
    settings = {**tiny, "evaluation.metrics": ["held_out_loss", "frechet_digits"], "evaluation.samples": 40}
    spec = RunSpec.parse(settings)
    trained = finish(spec, root)
    measured = finish(evaluation_of(RunFolder.of(spec, root), root.parent), root)
    assert (trained.status, measured.status) == ("ok", "ok"), measured.error
    figures = {m.name: m for m in trained.measurements}
    assert {m.name for m in measured.measurements} >= {"held_out_loss", "frechet_digits"}
    for m in measured.measurements:
        assert figures[m.name] == m


def test_an_evaluation_that_measures_nothing_is_a_failure(tmp_path, tiny):
    digest = keep(build("zigma", DIGITS, seed=0, width=8, depth=2).state_dict(), tmp_path / "results")
    network = {key: value for key, value in tiny.items() if not key.startswith("training")}
    spec = RunSpec.parse({**network, "task": "evaluate", "weights": digest})
    record = finish(spec, tmp_path / "results/runs")
    assert record.status == "failed"
    assert "nothing to measure" in record.error.message


def test_only_the_last_weights_of_a_run_that_ended_well_are_taken(tmp_path, tiny):
    root = tmp_path / "results/runs"
    spec = RunSpec.parse({**tiny, "training.checkpoint_every": 3})
    folder = RunFolder.of(spec, root)
    folder.submit(spec)
    with pytest.raises(ValueError, match="is submitted: only the weights"):
        evaluation_of(folder, root.parent)
    assert finish(spec, root).status == "ok"
    assert evaluation_of(folder, root.parent).weights
    timed = RunFolder.of(spec.override({"task": "efficiency"}), root)
    timed.submit(spec.override({"task": "efficiency"}))
    with pytest.raises(ValueError, match="it has no trained weights"):
        evaluation_of(timed, root.parent)
    (folder.path / "checkpoints" / f"{4:09}" / "average.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="no sound checkpoint after step 3, and was trained for 4 steps"):
        evaluation_of(folder, root.parent)


def test_the_mixers_of_vim_are_imported_and_what_stays_as_initialised_is_said(tmp_path):
    network = build("vision-mamba", DIGITS, seed=3, width=16, depth=2)
    mixers = checkpoint.export(network, "vim")
    save_file(mixers, tmp_path / "vim.safetensors")
    settings = ["--set=backbone.config.width=16", "--set=backbone.config.depth=2"]
    command = ["import", "vim.safetensors", "--release", "vim", "--data", "digits", "--patch", "2"]
    done = zigbench(*command, *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "results/runs").iterdir()
    loaded = load_network(RunFolder(folder).read_spec(), tmp_path / "results")
    assert all(torch.equal(tensor, mixers[name]) for name, tensor in checkpoint.export(loaded, "vim").items())
    own, said = dict(loaded.named_parameters()), done.stdout.partition("as initialised: ")[2].splitlines()[0]
    assert len(said.split(", ")) == len(own) - len(mixers)
    assert "head.weight" in said.split(", ")


def test_weights_are_kept_by_content(tmp_path):
    weights = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    digest = keep(weights, tmp_path)
    assert keep(weights, tmp_path) == digest
    assert len(list((tmp_path / "weights").iterdir())) == 1
    found = fetch(digest, tmp_path)
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    path = tmp_path / "weights" / f"{digest}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="another SHA-256"):
        fetch(digest, tmp_path)
    with pytest.raises(ValueError, match="are missing"):
        fetch("0" * 64, tmp_path)


def test_weights_belong_to_evaluations_alone(tiny):
    with pytest.raises(ValueError, match="belongs to the task 'evaluate'"):
        RunSpec.parse({**tiny, "weights": "0" * 64})
    with pytest.raises(ValueError, match="weights: is required"):
        RunSpec.parse({**tiny, "task": "evaluate"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "0" * 16], "no run under results/runs with an id that begins with"),
        (["import", "none.pt", "--release", "dit", "--data", "digits", "--patch", "2"], "no such file"),
        (["import", "none.pt", "--release", "dot", "--data", "digits", "--patch", "2"], "did you mean 'dit'"),
        (["import", "none.pt", "--release", "dit", "--data", "digits", "--patch", "3"], "patches that do"),
        (
            ["import", "some.pt", "--release", "dit", "--data", "image-folder", "--patch", "2"],
            "data.config.path: is required",
        ),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, arguments, words):
    done = zigbench(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_kept_checkpoints_are_measured_as_the_training_measured_them(tiny, tmp_path, monkeypatch):
    """Without training again; and a step that was not kept is named with those that were."""
    root = tmp_path / "results/runs"
    keys = {"training.steps": 2, "training.keep_every": 1, "evaluation.at": [1], "evaluation.held_out": 32}
    trained = RunSpec.parse({**tiny, **keys, "evaluation.metrics": ["held_out_loss"], "evaluation.preview": 0})
    folder = RunFolder.of(trained, root)
    folder.submit(trained)
    along = execute(folder, cache=tmp_path / "results/cache", device="cpu")
    expected = {m.step or 2: m.value for m in along.measurements if m.name == "held_out_loss"}
    assert steps_with_checkpoint(folder) == (1, 2)
    for step, value in expected.items():
        measured = RunFolder.of(spec := evaluation_of(folder, tmp_path / "results", step), root)
        measured.submit(spec)
        record = execute(measured, cache=tmp_path / "results/cache", device="cpu")
        (again,) = (m.value for m in record.measurements if m.name == "held_out_loss")
        assert again == pytest.approx(value, rel=1e-5)
    # The command has the same runs, which are recorded already: it starts no worker and shows both.
    done = CliRunner().invoke(app, ["evaluate", folder.id, "--step", "all", "--results", str(root)])
    assert done.exit_code == 0, done.output
    assert re.findall(r"^step (\d)$", done.output, re.M) == ["1", "2"]
    shown = [float(text) for text in re.findall(r"^held_out_loss +(\S+)", done.output, re.M)]
    assert shown == pytest.approx([expected[1], expected[2]], rel=1e-3)
    assert len(list(root.iterdir())) == 3
    few = evaluation_of(folder, tmp_path / "results", 2).override(
        {"evaluation.metrics": ["precision_random"], "evaluation.samples": 3}
    )
    small = RunFolder.of(few, root)
    small.submit(few)
    execute(small, cache=tmp_path / "results/cache", device="cpu")
    chosen = ["--set", "evaluation.samples=3", "--set", 'evaluation.metrics=["precision_random"]']
    shown = CliRunner().invoke(app, ["evaluate", folder.id, "--step", "2", "--results", str(root), *chosen])
    assert "none; 3 samples have no neighbour of rank 3; take more" in shown.output
    monkeypatch.setenv("ZIGBENCH_OFFLINE", "1")
    missing = CliRunner().invoke(
        app, ["evaluate", folder.id, "--set", 'evaluation.metrics=["fid"]', "--results", str(root)]
    )
    assert "weights-inception" in str(missing.exception)
    assert len(list(root.iterdir())) == 4  # Nothing is recorded as failed.
    with pytest.raises(ValueError, match=r"no checkpoint after step 7 \(it has: 1, 2\); training.keep_every"):
        evaluation_of(folder, tmp_path / "results", 7)
    result = CliRunner().invoke(app, ["evaluate", folder.id, "--step", "last", "--results", str(root)])
    assert "--step last is neither a step" in str(result.exception)


def test_any_width_of_the_average_is_measured_without_training_again(tiny, tmp_path):
    root, cache = tmp_path / "results/runs", tmp_path / "results/cache"
    keys = {"training.steps": 6, "evaluation.metrics": ["held_out_loss"], "evaluation.preview": 0}

    def loss(spec: RunSpec) -> float:
        folder = RunFolder.of(spec, root)
        folder.submit(spec)
        record = execute(folder, cache=cache, device="cpu")
        return next(m.value for m in record.measurements if m.name == "held_out_loss")

    kept = RunSpec.parse({**tiny, **keys, "training.ema_widths": [0.05, 0.1], "training.ema_every": 1})
    loss(kept)
    folder = RunFolder.of(kept, root)
    losses = {width: loss(evaluation_of(folder, root.parent, None, width)) for width in (0.05, 0.1, 0.2)}
    direct = RunSpec.parse({**tiny, **keys, "training.ema_std": 0.1})
    assert losses[0.1] == pytest.approx(loss(direct), rel=1e-4)
    assert len(set(losses.values())) == 3
    for run, options, words in (
        (folder.id, ["--set", "ema_std=0.1", "--step", "4"], "leave out --step"),
        (folder.id, ["--set", "ema_std=0.3"], "ema_std = 0.3: Input should be less than 0.28"),
        (direct.id, ["--set", "ema_std=0.1"], "train with training.ema_widths"),
    ):
        result = CliRunner().invoke(app, ["evaluate", run, *options, "--results", str(root)])
        assert words in str(result.exception)
    with pytest.raises(ValueError, match="ema_std: belongs to the task 'evaluate'"):
        RunSpec.parse({**tiny, "ema_std": 0.1})
    with pytest.raises(ValueError, match="weights names no run"):
        RunSpec.parse({**tiny, "task": "evaluate", "weights": "0" * 64, "ema_std": 0.1})
