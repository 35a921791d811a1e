"""DINOv2 through timm, for the Fréchet DINO distance (FDD)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from zigbench.evaluation.extractors.features import three_channels
from zigbench.evaluation.extractors.weights import Weights, WeightsFile, find_weights

SIZES = {"small": 384, "base": 768, "large": 1024, "giant": 1536}
"""Width of the features of each size."""

SIDE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_RESIZED = f"grey repeated to 3 channels; bicubic with antialiasing to {SIDE}×{SIDE}, rounded"


def published(size: str) -> Weights:
    """Return the published weights of one size."""
    model = f"vit_{size}_patch14_dinov2.lvd142m"
    return Weights(
        file=f"{model}.safetensors", url=f"https://huggingface.co/timm/{model}/resolve/main/model.safetensors"
    )


class DinoV2(nn.Module):
    """ViT/14 of one size; the feature is the class token after the last norm.

    Stein et al., "Exposing flaws of generative model evaluation metrics" (2023): pixels of [0, 1], normalised with
    ImageNet's mean and deviation. ``released`` leaves the division by 255 out, as the code behind the published
    FDD did, whose values are therefore on a scale of their own.

    Args:
        size: one of :data:`SIZES`.
        weights: a file of weights for timm's model.
        released: whether to reproduce the published figures' scaling.
    """

    provides = ("features",)
    mean: Tensor
    deviation: Tensor

    def __init__(self, size: str, weights: WeightsFile, *, released: bool = False) -> None:
        super().__init__()
        self.name = f"dinov2-{size}" + ("-released" if released else "")
        self.sha256 = weights.sha256
        self.divisor = 1.0 if released else 255.0
        scaled = "not divided by 255" if released else "divided by 255"
        self.preparation = f"{_RESIZED}; {scaled}; ImageNet mean and deviation"
        self.network = timm.create_model(
            f"vit_{size}_patch14_dinov2.lvd142m",
            pretrained=True,
            pretrained_cfg_overlay={"file": str(weights.path)},
            img_size=SIDE,
            num_classes=0,
        )
        self.network.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(1, 3, 1, 1))

    def prepare(self, images: Tensor) -> Tensor:
        """Return the network's input for uint8 (B, C, H, W): float32 (B, 3, 224, 224)."""
        x = three_channels(images.to(self.mean.device)).float()
        if x.shape[-2:] != (SIDE, SIDE):
            x = functional.interpolate(x, (SIDE, SIDE), mode="bicubic", antialias=True).round().clamp(0, 255)
        return (x / self.divisor - self.mean) / self.deviation

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``features`` of uint8 (B, C, H, W), float32 (B, D)."""
        return {"features": self.network(self.prepare(images))}


def load(name: str, cache: Path, data: Any, given: Path | None) -> DinoV2:
    """Return the extractor "dinov2-SIZE" or "dinov2-SIZE-released" with the weights of ``find_weights``.

    Raises:
        MissingWeightsError: the weights are not on this machine and cannot be downloaded.
        ValueError: the file does not hold this model's weights.
    """
    size = name.split("-")[1]
    file = find_weights(published(size), cache, given)
    try:
        return DinoV2(size, file, released=name.endswith("-released"))
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"{file.path} does not hold the weights of DINOv2 {size}: {error}") from error
