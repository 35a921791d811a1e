"""Published networks with their parameters, and the ways to scan clips at equal parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backbones.config import layers
from backbones.config.vision_mamba import VisionMambaConfig
from zigbench.spec import Geometry, NetworkSpec


@dataclass(frozen=True)
class Row:
    """A published network.

    Attributes:
        label: its name where it was published.
        family: the registered backbone that it is.
        geometry: the data it was built for.
        config: the family's keywords.
        published: its published parameters.
        rounded_to: the last place of the published figure, in parameters.
        classifier: published with a class token and a head in place of conditioning and output (Vim).
    """

    label: str
    family: str
    geometry: Geometry
    published: int
    rounded_to: int = 1
    config: Mapping[str, Any] = field(default_factory=dict)
    classifier: bool = False

    @property
    def counted(self) -> int:
        """Parameters in closed form."""
        network = NetworkSpec.of(self.family, **self.config)
        if self.classifier:
            assert isinstance(network.config, VisionMambaConfig)
            return vim_classifier(network.config)
        return network.parameters(self.geometry) or 0

    @property
    def exact(self) -> bool:
        """Agreement of the two to the published figure's last place."""
        return abs(self.counted - self.published) <= self.rounded_to // 2


def vim_classifier(config: VisionMambaConfig, classes: int = 1000) -> int:
    """Return the parameters of Vim as published: its blocks behind 16×16 patches of 224×224 RGB, class token and head.

    What the diffusion backbone keeps of it is the blocks' mixers and norms.
    """
    geometry = Geometry(channels=3, height=224, width=224, patch=16)
    width = config.width
    blocks = config.mixers(geometry, geometry.tokens + 1, None) + layers.norm(width) * (config.depth + 1)
    tokens = layers.position("learned", geometry.tokens + 1, width, 1) + layers.Layer(width)
    shell = layers.patch_embedding(geometry, width) + tokens + layers.linear(1, width, classes)
    return (shell + blocks).parameters


PATCH_1 = Geometry(channels=4, height=32, width=32, patch=1)
PATCH_2 = replace(PATCH_1, patch=2)
TEXT = replace(PATCH_1, context=(77, 768))
IMAGENET = replace(PATCH_2, classes=1000)
LARGE = Geometry(channels=4, height=128, width=128, patch=2)
CELEBA = Geometry(channels=3, height=64, width=64, patch=4)
IMAGENET_64 = Geometry(channels=3, height=64, width=64, patch=4, classes=1000)


def _rows() -> Iterator[Row]:
    none = {"position": "none"}
    yield Row("ZigMa-B/1 zigzag", "zigma", PATCH_1, 134_624_260)
    yield Row("ZigMa-B/1 zigzag, no position", "zigma", PATCH_1, 133_837_828, config=none)
    yield Row("ZigMa-B/1 sweep-2", "sweep", PATCH_1, 140_190_724, config={"schemes": 2})
    yield Row("ZigMa-B/1 text zigzag", "zigma", TEXT, 215_504_644)
    yield Row("ZigMa-B/1 text sweep-2", "sweep", TEXT, 221_071_108, config={"schemes": 2})
    yield Row("ZigMa-B/2 128×128", "zigma", LARGE, 133_856_272, config=none)
    for k, published in ((2, 145_760_000), (4, 156_890_000), (8, 179_160_000)):
        yield Row(
            f"ZigMa-B/1 parallel, {k} more sets", "parallel", PATCH_1, published, 10_000, {"schemes": k, "extra": 1}
        )
    for size, published in (("S", 31_310_000), ("M", 266_900_000), ("L", 472_520_000), ("H", 1_058_740_000)):
        yield Row(f"ZigMa-{size}/2", "zigma", PATCH_2, published, 10_000, {"size": size, **none})
    sizes = (("S", 32_963_360), ("B", 130_512_416), ("L", 458_102_816), ("XL", 675_129_632))
    for size, published in sizes:
        yield Row(f"DiT-{size}/2", "dit", IMAGENET, published, config={"size": size, "learned_sigma": True})
    yield Row("U-ViT-S/4 CelebA 64", "u-vit", CELEBA, 44_292_228, config={"size": "S"})
    no_null = {"size": "M", "label_dropout": 0.0}
    yield Row("U-ViT-M/4 ImageNet 64", "u-vit", IMAGENET_64, 130_940_292, config=no_null)
    yield Row("U-ViT-L/2 ImageNet 256", "u-vit", IMAGENET, 286_763_172, config={"size": "L"})
    yield Row("U-ViT-H/2 ImageNet 256", "u-vit", IMAGENET, 500_832_016, config={"size": "H"})
    for size, published in (("Ti", 7_148_008), ("S", 25_796_584), ("B", 97_598_440)):
        yield Row(f"Vim-{size} 224", "vision-mamba", PATCH_2, published, config={"size": size}, classifier=True)
    for size, published in (("S", 28_492_432), ("B", 119_212_832)):
        yield Row(f"DiS-{size}/2", "dis", PATCH_2, published, config={"size": size, "learned_sigma": True})


ROWS = tuple(_rows())


CLIP = replace(PATCH_2, frames=16, classes=101)
WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "3D zigzag": ("zigma-video", {"pattern": "joint"}),
    "3D sweep, both ways": (
        "zigma-video",
        {"pattern": "joint", "curve": "sweep", "schemes": 1, "bidirectional": True},
    ),
    **{
        f"factorized, {pattern}": ("zigma-video", {"pattern": pattern}) for pattern in ("sstt", "ststst", "ssts", "sst")
    },
    "attention, joint": ("dit-video", {"pattern": "joint"}),
    "attention, st": ("dit-video", {"pattern": "st"}),
}
"""Ways to scan or attend to UCF101's latents; the others of a family are compared with its first."""


def surpluses() -> dict[str, tuple[int, int]]:
    """Return each way's parameters at size B, and how many more than the first of its family it has."""
    counted = {way: NetworkSpec.of(family, **config).parameters(CLIP) or 0 for way, (family, config) in WAYS.items()}
    first: dict[str, int] = {}
    for way, (family, _) in WAYS.items():
        first.setdefault(family, counted[way])
    return {way: (counted[way], counted[way] - first[family]) for way, (family, _) in WAYS.items()}
