"""InceptionV3, the network of FID: torch-fidelity's own extractor with the weights of 2015."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from zigbench.evaluation.extractors.features import three_channels
from zigbench.evaluation.extractors.weights import Weights, WeightsFile, find_weights

WEIGHTS = Weights(file="weights-inception-2015-12-05-6726825d.pth", url=URL_INCEPTION_V3, prefix="6726825d")

SPATIAL_CHANNELS = 7
"""Leading channels of the 17×17 map that sFID uses, so that it has 2,023 numbers; Nash et al. (2021), appendix."""


class Inception(nn.Module):
    """torch-fidelity's ``inception-v3-compat``.

    ``pool`` (B, 2048) is FID's feature; ``logits`` (B, 1008), without bias, the inception score's; ``spatial``
    (B, 2023) sFID's: the first 7 channels of the first 1×1 convolution of the block that TensorFlow calls mixed_6.
    """

    name = "inception-v3-compat"
    preparation = "grey repeated to 3 channels; bilinear to 299×299 as TensorFlow 1 does; (x − 128) / 128"
    provides = ("pool", "logits", "spatial")

    def __init__(self, weights: WeightsFile) -> None:
        super().__init__()
        check_is_plain(weights.path)
        self.sha256 = weights.sha256
        self.network = FeatureExtractorInceptionV3(
            self.name, ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights.path)
        )
        self._spatial: Tensor | None = None
        self.network.Mixed_6d.branch1x1.register_forward_hook(self._store)

    def _store(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._spatial = output[:, :SPATIAL_CHANNELS].flatten(1)

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``pool``, ``logits`` and ``spatial`` of uint8 (B, C, H, W)."""
        images = three_channels(images.to(self.network.fc.weight.device))
        pool, logits = self.network(images)
        assert self._spatial is not None
        return {"pool": pool, "logits": logits, "spatial": self._spatial}


def load(name: str, cache: Path, data: Any, given: Path | None) -> Inception:
    """Return the extractor with the weights of :func:`zigbench.evaluation.extractors.weights.find_weights`.

    Raises:
        MissingWeightsError: the weights are not on this machine and cannot be downloaded.
        ValueError: the file is not a state dict, or is one of another network.
    """
    return Inception(find_weights(WEIGHTS, cache, given))


def check_is_plain(path: Path) -> None:
    """Check that a file holds nothing but tensors: torch-fidelity would run the code in its pickle.

    Raises:
        ValueError: it holds something else; names the file.
    """
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is not a file of plain tensors: {str(error).splitlines()[0]}") from error
