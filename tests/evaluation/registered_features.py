"""The random features as one of torch-fidelity's own extractors, for its figures of the same images."""

from __future__ import annotations

import torch_fidelity

from zigbench.evaluation.extractors.random_features import RandomFeatures

RANDOM_FEATURES = "zigbench-random"
"""Name of the extractor in torch-fidelity."""


class Registered(torch_fidelity.FeatureExtractorBase):
    """The random features under torch-fidelity's own roof."""

    def __init__(self, name, features_list, **_) -> None:
        super().__init__(name, features_list)
        self.network = RandomFeatures()

    @staticmethod
    def get_provided_features_list():
        return ("features",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "features"

    @staticmethod
    def can_be_compiled():
        return False

    def forward(self, x):
        return (self.network.extract(x)["features"],)


torch_fidelity.register_feature_extractor(RANDOM_FEATURES, Registered)
