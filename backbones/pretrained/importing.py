"""The releases as plug-ins of the engine: they import a file's weights under this package's names, and export them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from backbones.network import Network
from backbones.pretrained import checkpoint
from backbones.pretrained.releases import RELEASES
from zigbench.backbone import Geometry, Released


class Importer:
    """A reader and writer of the files of one release; see :mod:`backbones.pretrained.checkpoint`."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.__doc__ = f"Published weights of {family}, for the backbone {RELEASES[family].backbone}."

    def __call__(self, file: Path, geometry: Geometry, **config: Any) -> Released:
        network = checkpoint.load(self.family, checkpoint.read(file), geometry, **config)
        assert isinstance(network, Network)  # as every backbone of this package
        return Released(
            backbone=checkpoint.registered_name(network),
            config=network.config,
            weights=network.state_dict(),
            interpolant=RELEASES[self.family].interpolant,
            missing=checkpoint.unreleased(network, self.family),
            scan=network.scan,
            position=network.position.kind,
        )

    def export(self, network: nn.Module) -> dict[str, Tensor]:
        """Return the network's weights under the published names."""
        return checkpoint.export(network, self.family)


zigma = Importer("zigma")
dit = Importer("dit")
sit = Importer("sit")
u_vit = Importer("u-vit")
dis = Importer("dis")
vim = Importer("vim")
