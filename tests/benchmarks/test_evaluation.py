"""Speed of an evaluation without downloads: 5,000 images of 32×32, reference statistics at hand."""

from __future__ import annotations

import torch

from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.extractors.random_features import RandomFeatures
from zigbench.evaluation.metrics.frechet import frechet_distance
from zigbench.evaluation.metrics.kid import kernel_distance, subset_size
from zigbench.evaluation.references import Reference


class Noise:
    """Random pixels as an image set."""

    def __init__(self, seed: int, count: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.tensor = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)

    def __len__(self) -> int:
        return len(self.tensor)

    def images(self, start: int, stop: int) -> torch.Tensor:
        return self.tensor[start:stop]


def test_random_features_of_5000_images(benchmark) -> None:
    extractor = RandomFeatures()
    reference = Reference.of(extract_features(extractor, Noise(0, 5_000), ["features"])["features"])
    samples = Noise(1, 5_000)

    def evaluate() -> tuple[float, float]:
        features = extract_features(extractor, samples, ["features"])["features"]
        size = subset_size(len(features), len(reference.features))
        return frechet_distance(features, reference), kernel_distance(features, reference.features, size=size)[0]

    frechet, kernel = benchmark.pedantic(evaluate, rounds=3)
    assert frechet < 0.01
    assert abs(kernel) < 1e-4
