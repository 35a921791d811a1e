"""CLIP's image encoder through torch-fidelity, for CMMD."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch_fidelity.feature_extractor_clip import MODEL_METADATA, MODEL_URLS, FeatureExtractorCLIP

from zigbench.evaluation.extractors.features import three_channels
from zigbench.evaluation.extractors.weights import Weights, WeightsFile, find_weights

MODEL = "clip-vit-l-14-336px"
"""torch-fidelity's name of ViT-L/14 at 336×336 pixels, the network of CMMD."""

WEIGHTS = Weights(
    file=f"{MODEL}-{MODEL_METADATA[MODEL]['hash']}.pt", url=MODEL_URLS[MODEL], prefix=MODEL_METADATA[MODEL]["hash"]
)


class Clip(nn.Module):
    """The image encoder; the feature is its embedding, not brought to length 1.

    torch-fidelity resizes bilinearly as TensorFlow 1 does, where CMMD's own code resizes bicubically.
    """

    name = MODEL
    provides = ("features",)

    def __init__(self, weights: WeightsFile) -> None:
        super().__init__()
        self.sha256 = weights.sha256
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # Of torch: the published file is TorchScript.
            self.network = FeatureExtractorCLIP(MODEL, ["clip"], feature_extractor_weights_path=str(weights.path))
        side = self.network.resolution
        self.preparation = (
            f"grey repeated to 3 channels; bilinear to {side}×{side} as TensorFlow 1 does; CLIP's mean and deviation"
        )

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``features`` of uint8 (B, C, H, W), float32 (B, 768)."""
        device = next(self.network.parameters()).device
        (features,) = self.network(three_channels(images.to(device)))
        return {"features": features}


def load(name: str, cache: Path, data: Any, given: Path | None) -> Clip:
    """Return the encoder with the weights of :func:`zigbench.evaluation.extractors.weights.find_weights`.

    Raises:
        MissingWeightsError: the weights are not on this machine and cannot be downloaded.
        ValueError: the file is no TorchScript of CLIP.
    """
    file = find_weights(WEIGHTS, cache, given)
    try:
        return Clip(file)
    except (RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{file.path} does not hold the weights of CLIP as TorchScript: {reason}") from error
