"""A network, a split and a spec small enough to evaluate in a blink, through the same seams as the real ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from zigbench.data.builtin.digits import DigitsConfig
from zigbench.data.builtin.loaders.digits import Digits
from zigbench.spec import BackboneConfig, RunSpec, registry


class Batch(NamedTuple):
    x: Tensor
    label: Tensor | None
    context: Tensor | None


class Split:
    resident = True

    def __init__(self, name: str, x: Tensor, label: Tensor | None) -> None:
        self.name, self.x, self.label = name, x, label
        self.content_hash = hashlib.sha256(x.numpy().tobytes()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Sequence[int]) -> Batch:
        rows = torch.as_tensor(list(indices))
        return Batch(self.x[rows], None if self.label is None else self.label[rows], None)


class PixelConfig(BackboneConfig):
    network: ClassVar[str] = f"{__name__}:PixelNetwork"


class PixelNetwork(nn.Module):
    """A convolution that knows t and the label."""

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.inner = nn.Conv2d(channels + 2, 8, 3, padding=1)
        self.outer = nn.Conv2d(8, channels, 3, padding=1)
        self.classes = classes

    def forward(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        known = torch.zeros_like(t) if label is None else label.to(x) / self.classes
        planes = torch.stack([t, known], dim=1)[:, :, None, None].expand(-1, -1, *x.shape[-2:])
        return self.outer(torch.relu(self.inner(torch.cat([x, planes.to(x)], dim=1))))


registry.backbones.register("test-pixels")(PixelConfig)


@pytest.fixture(scope="session")
def digits() -> Digits:
    return Digits(DigitsConfig())


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def network() -> PixelNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PixelNetwork()


@pytest.fixture
def make_spec() -> Callable[..., RunSpec]:
    def make(**changes: Any) -> RunSpec:
        raw = {
            "backbone.name": "test-pixels",
            "data.name": "digits",
            "sampler.steps": 2,
            "evaluation.samples": 60,
            "evaluation.batch": 20,
            "evaluation.preview": 10,
            "evaluation.held_out": 64,
            "evaluation.bootstrap": 10,
            **{key.replace("__", "."): value for key, value in changes.items()},
        }
        return RunSpec.parse(raw)

    return make


class Untrained(FeatureExtractorInceptionV3):
    """torch-fidelity's network with the random weights it is built with."""

    def load_state_dict(self, *_, **__):
        return None


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save({}, path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Untrained("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    torch.save(network.state_dict(), path)
    return path
