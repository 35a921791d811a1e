"""A network, a split and a spec small enough to evaluate in a blink, through the same seams as the real ones."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_clip import CLIPVisual, Transformer
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


class Clip(nn.Module):
    """CLIP by its published names: a block of width 64 for images of 32×32 as four patches, and one for texts."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.visual = CLIPVisual(24, 32, 1, 64, 16).visual
        self.token_embedding = nn.Embedding(words, 64)
        self.positional_embedding = nn.Parameter(torch.randn(12, 64))
        self.transformer = Transformer(64, 1, 1, torch.full((12, 12), float("-inf")).triu(1))
        self.ln_final = nn.LayerNorm(64)
        self.text_projection = nn.Parameter(torch.randn(64, 24))

    def forward(self, x: Tensor) -> Tensor:
        return self.visual(x)


@pytest.fixture(scope="session")
def clip_tokenizer(tmp_path_factory) -> Path:
    """A tokenizer of single letters in the form of transformers' CLIPTokenizer."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `latents`")
    folder = tmp_path_factory.mktemp("models") / "tokenizer"
    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip_weights(tmp_path_factory) -> Path:
    """Random weights of a tiny CLIP in the published form, a TorchScript file."""
    path = tmp_path_factory.mktemp("clip") / "tiny.pt"
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        torch.jit.trace(Clip(54).half().float().eval(), torch.zeros(1, 3, 32, 32)).save(str(path))
    return path


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
