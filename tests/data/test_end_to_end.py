"""Photographs through a real autoencoder with random weights: prepared, trained on, decoded, evaluated, recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_image

from zigbench.evaluation import read_protocols
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import execute
from zigbench.spec import RunSpec
from zigbench.suite import expand, load
from zigbench.training.logging import read_lines

SIDE = 32


@pytest.fixture
def photographs(tmp_path):
    """Three hundred crops of six photographs, a class each."""
    pictures = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
    pictures |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    for name, picture in pictures.items():
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for number in range(50):
            top, left = 4 * number, 6 * number
            crop = Image.fromarray(picture[top : top + 60, left : left + 40])
            crop.save(tmp_path / "photographs" / name / f"{number}.png")
    return tmp_path / "photographs"


def test_from_photographs_to_a_record(photographs, vae, tiny, tmp_path):
    out = tmp_path / "latents"
    command = [sys.executable, "-m", "zigbench.cli", "prepare", "latents", "--from", str(photographs), "--to", str(out)]
    command += ["--resolution", str(SIDE), "--vae", str(vae), "--classes", "6"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "samples in" in done.stdout
    assert "dB" in done.stdout
    spec = RunSpec.parse(
        {
            **tiny,
            "data.name": "latents",
            "data.config": {"path": str(out), "resolution": SIDE, "classes": 6},
            "evaluation.metrics": ["held_out_loss", "frechet_random", "kid_random"],
            "evaluation.samples": 12,
            "evaluation.batch": 6,
            "evaluation.held_out": 16,
            "evaluation.bootstrap": 5,
        }
    )
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert record.status == "ok", record.error
    measured = {measurement.name: measurement for measurement in record.measurements}
    assert {"held_out_loss", "frechet_random", "kid_random"} <= set(measured)
    assert all(measured[name].value == pytest.approx(measured[name].value) for name in measured)
    telemetry = read_lines(folder.path / "telemetry.jsonl")
    assert telemetry
    assert all(line["matrix_peak_share"] > 0 for line in telemetry)  # Of a peak that was timed beside others.
    index = json.loads((out / "index.json").read_text())
    counted = sum(shard["count"] for shard in index["splits"]["train"])
    protocol = read_protocols(folder.path)[measured["frechet_random"].protocol]
    assert protocol.decoder == f"AutoencoderKL {index['autoencoder']['sha256'][:16]}, scale 0.18215"
    assert (protocol.reference, protocol.reference_count) == ("latents", counted)
    assert protocol.reference_split == "train, original pictures, cropped to the square, lanczos to 32×32"


def test_a_run_whose_data_are_missing_fails_before_training(tiny, tmp_path):
    keys = {**tiny, "data.name": "latents", "data.config": {"path": str(tmp_path / "none"), "resolution": SIDE}}
    folder = RunFolder.of(RunSpec.parse(keys), tmp_path / "runs")
    folder.submit(RunSpec.parse(keys))
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert record.status == "failed"
    assert record.error.kind == "MissingDataError"
    assert "zigbench prepare latents --from PICTURES" in record.error.message
    assert not list(Path(folder.path).glob("checkpoints/*"))


def test_planning_needs_no_data():
    code = (
        "import sys; from zigbench.suite import expand, load;"
        "cells = [cell for name in ('coco', 'faceshq', 'celebahq') for cell in expand(load(name))];"
        "sys.exit('torch' in sys.modules or not cells)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    command = [sys.executable, "-m", "zigbench.cli", "plan", "coco", "--only", "seed=0"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={"ZIGBENCH_DATA": "/nowhere"}).stdout
    runs = sum(cell.labels["seed"] == "0" for cell in expand(load("coco")))
    assert f"{runs} runs: {runs} missing" in told
    assert "To be downloaded by hand: MS-COCO 2014" in told
    assert "zigbench prepare coco --from FOLDER --resolution 256" in told
