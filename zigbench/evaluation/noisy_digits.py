"""A small classifier of digits in noise, trained once on the states of a path and then cached: it guides samples.

Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis" (2021), section 4. It knows the time, and reads the
best linear estimate of the datum for data of unit variance, u = α x / (α² + σ²): without data in x the estimate is 0,
and the shift of the expected datum, (σ²/α) ∂_x = (σ² / (α² + σ²)) ∂_u, is finite on the whole path.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from zigbench.evaluation.extractors.digit_classifier import load_or_train, side_of
from zigbench.interpolant.interpolant import spread
from zigbench.interpolant.path import Path as NoisePath
from zigbench.spec import canonical_json
from zigbench.spec.files import short_sha256
from zigbench.spec.rng import derive_seed


@dataclass(frozen=True)
class Recipe:
    """The recipe of the classifier's training. A change of the network or of the training raises ``version``."""

    version: int = 1
    seed: int = 0
    steps: int = 1_200
    batch: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05


RECIPE = Recipe()

FREQUENCIES = 8
"""Cosines of the angle arctan(σ/α), by which the network knows how much noise there is."""


class NoisyDigitClassifier(nn.Module):
    """Two convolutions and two linear layers for the states of a path.

    Args:
        side: 8 or 28.
        path: the path.
    """

    def __init__(self, side: int, path: NoisePath) -> None:
        super().__init__()
        first, reduced = (1, side // 2) if side == 8 else (2, side // 4)
        self.path = path
        self.inner = nn.Conv2d(1, 32, 3, stride=first, padding=1)
        self.time = nn.Linear(FREQUENCIES, 32)
        self.outer = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64 * reduced**2, 64), nn.GELU(), nn.Linear(64, 10))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return logits (B, 10) of x (B, 1, side, side) at t (B,), in the precision of x; computed in its own."""
        state, own = self.path.state(t.double()), self.time.weight.dtype
        estimate = (spread(state.alpha / (state.alpha**2 + state.sigma**2), x) * x).to(own)
        angle = torch.atan2(state.sigma, state.alpha)[:, None] * 2
        waves = (angle * torch.arange(FREQUENCIES, device=x.device)).cos().to(own)
        hidden = self.inner(estimate) + self.time(waves)[:, :, None, None]
        logits: Tensor = self.head(nn.functional.gelu(self.outer(nn.functional.gelu(hidden))))
        return logits.to(x.dtype)


class NoisyDigits(nn.Module):
    """The classifier of ``data`` along ``path``, from the cache or trained now, without gradients of its weights.

    Args:
        data: a loader whose splits hold labelled grey digits of 8×8 or 28×28.
        path: the path on which the samples are drawn.
        cache: the folder that runs share.

    Attributes:
        sha256: hash of its weights.

    Raises:
        ValueError: the data are no such images with labels, or the cached file is damaged.
    """

    def __init__(self, data: Any, path: NoisePath, cache: Path) -> None:
        super().__init__()
        train = data.split("train")
        side = side_of(train, "leave sampler.classifier_scale at 0")
        recipe = canonical_json({**asdict(RECIPE), "path": str(path), "torch": torch.__version__})
        file = cache / "classifiers" / f"noisy-digits-{short_sha256(f'{train.content_hash}/{recipe}')}.safetensors"
        with torch.device("meta"):
            self.network = NoisyDigitClassifier(side, path)
        self.sha256 = load_or_train(self.network, file, lambda: fit(train, path))
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return logits (B, 10) of x (B, 1, side, side) at t (B,)."""
        logits: Tensor = self.network(x, t)
        return logits


def fit(train: Any, path: NoisePath, recipe: Recipe = RECIPE) -> NoisyDigitClassifier:
    """Train the classifier at uniform times of a path; the result is a function of images, path and recipe."""
    batch = train.batch(range(len(train)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "noisy classifier initialisation"))
        model = NoisyDigitClassifier(batch.x.shape[-1], path)
    generator = Generator().manual_seed(derive_seed(recipe.seed, "noisy classifier training"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    for _ in range(recipe.steps):
        chosen = torch.randint(len(batch.x), (recipe.batch,), generator=generator)
        data, t = batch.x[chosen], torch.rand(recipe.batch, generator=generator)
        state = path.state(t.double())
        noise = torch.randn(data.shape, generator=generator)
        x = spread(state.alpha, data) * data + spread(state.sigma, data) * noise
        loss = nn.functional.cross_entropy(model(x, t), batch.label[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model
