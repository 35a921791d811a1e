"""Every built-in data set is registered by its own module, without torch, and names a loader that exists."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import get_args

import pytest

from zigbench.data.config import AUTOENCODERS
from zigbench.spec import DataConfig, registry
from zigbench.spec.registry import load_object

NAMES = registry.data.names()


def test_configs_are_registered_without_torch_or_a_picture_library():
    code = (
        "import sys; from zigbench.spec import registry; print(*registry.data.names());"
        "sys.exit(any(name in sys.modules for name in ('torch', 'PIL', 'sklearn', 'datasets', 'av')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"digits", "moving-digits", "photographs", "shape", "image-folder", "clip-folder", "latents"} <= set(
        done.stdout.split()
    )
    assert {"celebahq", "multimodal-celebahq", "faceshq", "coco", "lsun-churches", "imagenet", "ucf101"} <= set(
        done.stdout.split()
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_loader_and_a_recipe_states_its_counts(name):
    config = registry.data.get(name)
    assert issubclass(config, DataConfig)
    assert isinstance(load_object(config.loader), type)
    if hasattr(config, "source"):
        assert config.name == name
        assert set(config().counts) == {"train", "held-out"}
        assert f"zigbench prepare {name} --from FOLDER --resolution" in config().how_to_prepare()


def test_another_autoencoder_is_another_folder_of_latents_and_another_run(monkeypatch, tmp_path):
    monkeypatch.setenv("ZIGBENCH_DATA", str(tmp_path))
    config = registry.data.get("coco")
    assert config(autoencoder="sd-vae-ft-ema").model_dump() == config().model_dump()
    other = config(autoencoder="sd-1.5")
    assert (config().folder.name, other.folder.name) == ("coco-256", "coco-256-sd-1.5")
    assert "--from FOLDER --resolution 256 --autoencoder sd-1.5" in other.how_to_prepare()
    assert set(get_args(config.model_fields["autoencoder"].annotation)) == set(AUTOENCODERS)


def test_a_set_without_its_captions_is_the_same_images_unconditionally():
    config = registry.data.get("multimodal-celebahq")
    with_, without = config(resolution=512), config(resolution=512, captions=False)
    assert with_.folder == without.folder
    assert with_.geometry(1).context is not None
    assert without.geometry(1) == dataclasses.replace(with_.geometry(1), context=None)
    assert config.conditions == ("captions",)


def test_the_set_of_landscapes_has_as_many_as_its_authors_published():
    config = registry.data.get("landscapehq")()
    assert sum(config.counts.values()) == 90_000
    assert config.geometry(2).tokens == 4_096
