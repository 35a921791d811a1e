"""Every built-in data set is registered by its own module, without torch, and names a loader that exists."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
