"""A small classifier of handwritten digits, trained once from the data themselves and then cached.

Its features replace Inception's where images are handwritten digits of 8×8 or 28×28 pixels: a distance in them is
named after it, never FID. It is trained by a fixed recipe with its own seed on one thread, and the SHA-256 of its
weights is part of the protocol.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from zigbench.data.pixels import from_uint8
from zigbench.evaluation.images import RealImages
from zigbench.spec import canonical_json
from zigbench.spec.files import sha256, short_sha256, write_atomically
from zigbench.spec.geometry import DIGITS
from zigbench.spec.rng import derive_seed


@dataclass(frozen=True)
class Recipe:
    """The recipe of the classifier's training. A change of the network or of the training raises ``version``."""

    version: int = 1
    seed: int = 0
    epochs: int = 12
    batch: int = 64
    lr: float = 4e-3
    weight_decay: float = 0.01
    features: int = 32


RECIPE = Recipe()


class DigitClassifier(nn.Module):
    """Two convolutions and two linear layers for grey images of 8×8 or 28×28.

    ``forward`` maps uint8 (B, 1, side, side) to ``features`` (B, 32), the output of the last hidden layer before its
    non-linearity, standardised over the training images so that KID's kernel gets numbers of about 1, and ``logits``
    (B, 10).

    Args:
        side: 8 or 28.
        features: number of features.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, side: int, features: int = RECIPE.features) -> None:
        super().__init__()
        first, reduced = (1, side // 2) if side == 8 else (2, side // 4)
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=first, padding=1),
            nn.GELU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(32 * reduced**2, features),
        )
        self.head = nn.Sequential(nn.GELU(), nn.Linear(features, 10))
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``features`` (B, 32) and ``logits`` (B, 10) of uint8 (B, 1, side, side)."""
        hidden = self.body(from_uint8(images))
        return {"features": (hidden - self.centre) / self.scale, "logits": self.head(hidden)}


class DigitFeatures(nn.Module):
    """The classifier for ``data`` as a feature extractor, from the cache or trained now.

    Two processes that train it at once reach the same weights; the file is written atomically.

    Args:
        data: a loader whose splits hold images of a shape in :data:`DIGITS` with labels of 0 to 9.
        cache: the folder that runs share.

    Attributes:
        accuracy: share of the held-out digits that it classifies correctly.

    Raises:
        ValueError: the data are not such images with labels, or the cached file is damaged.
    """

    name = "digit classifier"
    preparation = "[0, 255] → [-1, 1]"
    provides = ("features", "logits")

    def __init__(self, data: Any, cache: Path) -> None:
        super().__init__()
        train = data.split("train")
        side = side_of(train, "use frechet_random or fid instead")
        with torch.device("meta"):
            self.network = DigitClassifier(side)
        path = cache / "classifiers" / f"digits-{_key(train)}.safetensors"
        self.sha256 = load_or_train(self.network, path, lambda: fit(train))
        with single_threaded():
            self.accuracy = accuracy(self.network, data.split("held-out"))

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``features`` and ``logits`` of uint8 (B, 1, side, side)."""
        return self.network(images.to(next(self.parameters()).device))


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Compute on one thread, so that sums are split, and so rounded, the same way on every worker of a machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_of(train: Any, advice: str) -> int:
    """Return the side of a split's images of digits, 8 or 28.

    Raises:
        ValueError: they are no labelled digits; says what to do by ``advice``.
    """
    sample = train.batch([0])
    shape = tuple(sample.x.shape[1:])
    if shape not in DIGITS or sample.label is None:
        raise ValueError(
            f"the digit classifier reads labelled grey digits of 8×8 or 28×28; {train.name!r} has images of shape "
            f"{shape}: {advice}"
        )
    return int(shape[-1])


def load_or_train(network: nn.Module, path: Path, train: Callable[[], nn.Module]) -> str:
    """Load the weights in ``path``, trained on one thread and written first where it does not exist.

    Args:
        network: on the meta device; gets the weights.
        path: the file.
        train: returns the trained network.

    Returns:
        the file's SHA-256.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with single_threaded():
            weights = train().state_dict()
        write_atomically(path, save_tensors({name: tensor.contiguous() for name, tensor in weights.items()}))
    content = path.read_bytes()
    try:
        network.load_state_dict(load_tensors(content), assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it, and it will be trained again") from error
    return sha256(content)


def _key(train: Any) -> str:
    recipe = canonical_json({**asdict(RECIPE), "torch": torch.__version__})
    return short_sha256(f"{train.content_hash}/{recipe}")


def fit(train: Any, recipe: Recipe = RECIPE) -> DigitClassifier:
    """Train the classifier on one split; the result is a function of the images and the recipe."""
    labels = train.batch(range(len(train))).label
    images = RealImages(train).images(0, len(train))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "classifier initialisation"))
        model = DigitClassifier(images.shape[-1], recipe.features)
    generator = torch.Generator().manual_seed(derive_seed(recipe.seed, "classifier order"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(recipe.epochs):
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(images) - recipe.batch + 1, recipe.batch):
            chosen = order[start : start + recipe.batch]
            loss = nn.functional.cross_entropy(model(images[chosen])["logits"], labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        hidden = model.body(from_uint8(images))
        model.centre.copy_(hidden.mean(0))
        model.scale.copy_(hidden.std(0))
    return model


def accuracy(model: DigitClassifier, split: Any) -> float:
    """Return the share of a split's images that the classifier gives their label."""
    with torch.no_grad():
        answers = model(RealImages(split).images(0, len(split)))["logits"].argmax(1)
    return float((answers == split.batch(range(len(split))).label).double().mean())


def load(name: str, cache: Path, data: Any, given: Path | None) -> DigitFeatures:
    """Return the extractor for ``data``, which is trained on them and read from no other file.

    Raises:
        ValueError: there are no data, or they are not labelled digits of 8×8 or 28×28.
    """
    if data is None:
        raise ValueError("the digit classifier is trained on the data: give data=")
    return DigitFeatures(data, cache)
