"""Two runs or two arms side by side: differing keys, figures, and no difference where protocols differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zigbench.evaluation.protocol import Protocol, write_protocols
from zigbench.records.record import Measurement, Record
from zigbench.records.sources import Sources
from zigbench.spec import spec_id

PACK = Path(__file__).resolve().parents[2] / "results" / "measured" / "two-core-xeon" / "order"


def compare(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "zigbench.cli", "compare", *arguments],
        cwd=cwd, capture_output=True, encoding="utf-8", env={"COLUMNS": "200", "PATH": ""},
    )  # fmt: skip


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Return the words of each line by its first."""
    assert done.returncode == 0, done.stderr
    return {words[0]: words[1:] for words in map(str.split, done.stdout.splitlines()) if words}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs: b was sampled with other steps than a, and c has another metric."""
    fid, kid, loss = (Protocol(metric=name, estimator="one") for name in ("fid", "kid", "held_out_loss"))
    of = {
        "a": ({"fid": 12.5, "kid": 0.25}, [fid, kid]),
        "b": ({"fid": 10.0, "kid": 0.75}, [fid.model_copy(update={"steps": 25}), kid]),
        "c": ({"held_out_loss": 0.5}, [loss]),
    }
    for seed, (name, (values, protocols)) in enumerate(of.items()):
        (tmp_path / name).mkdir()
        measurements = tuple(
            Measurement(name=protocol.metric, value=values[protocol.metric], protocol=protocol.hash)
            for protocol in protocols
        )
        spec = {"seed": seed, "backbone": {"name": "zigma"}}
        record = Record(id=spec_id(spec), status="ok", spec=spec, measurements=measurements)
        record.write(tmp_path / name / "record.json")
        write_protocols(tmp_path / name, protocols)
    return tmp_path


def test_runs_have_their_differing_keys_and_a_difference_where_protocols_agree(runs):
    shown = rows(compare("a", "b", cwd=runs))
    assert shown["seed"] == ["0", "1"]
    assert "backbone.name" not in shown
    assert shown["kid"] == ["0.2500", "0.7500", "+0.5", "the", "same"]
    assert shown["fid"][:3] == ["12.50", "10", "–"]
    assert " ".join(shown["fid"][3:]) == "the number of solver steps differs: none against 25"


def test_a_metric_of_one_run_alone_stands_without_a_difference(runs):
    shown = rows(compare("a", "c", cwd=runs))
    assert shown["held_out_loss"] == ["–", "0.5000", "–"]
    assert shown["kid"] == ["0.2500", "–", "–"]


def test_arms_have_their_paired_difference(tmp_path):
    done = compare("order", "zigzag-8", "random-8", "--profile", "digits-core", "--results", str(PACK), cwd=tmp_path)
    losses: dict[str, dict[int, float]] = {"zigzag": {}, "random": {}}
    for _, record in Sources.of(PACK).read()[0]:
        spec = record.spec
        if spec["data"]["name"] != "digits" or spec["training"]["steps"] != 1_920:
            continue
        if spec["seed"] in (5, 6, 7) and spec["scan"]["schemes"] == 8 and spec["scan"]["curve"] in losses:
            loss = next(m.value for m in record.measurements if m.name == "held_out_loss" and m.step is None)
            losses[spec["scan"]["curve"]][spec["seed"]] = loss
    differences = [losses["zigzag"][seed] - losses["random"][seed] for seed in (5, 6, 7)]
    line = next(line for line in done.stdout.splitlines() if line.startswith("Held-out loss"))
    assert f"{sum(differences) / 3:+.4f}".replace("-", "−") in line
    assert line.split()[-2:] == ["3", "better"]
    assert rows(done)["scan.curve"] == ['"zigzag"', '"random"']


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("order", "zigzag-8", "random-9"), "order has no arm 'random-9'; there are raster-1, raster-2, "),
        (("a",), "compare takes two runs, or a suite and two of its arms; these are 1 words"),
        (("a", "b", "--profile", "digits-core"), "--profile and --set choose the runs of a suite"),
        (("a", "nowhere"), "with an id that begins with 'nowhere'"),
    ],
)
def test_what_cannot_be_compared_is_named(runs, words, message):
    done = compare(*words, cwd=runs)
    assert done.returncode == 2
    assert message in done.stderr
