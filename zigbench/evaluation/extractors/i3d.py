"""I3D, the network behind the Fréchet video distance (FVD): Inception-v1 with its filters inflated over time.

Carreira and Zisserman, "Quo vadis, action recognition?" (2017), trained on Kinetics-400; FVD is Unterthiner et al.,
"Towards accurate generative models of video" (2018), whose features are the 400 logits before the softmax, averaged
over time. The weights are those of StyleGAN-V's port, which agrees with the network that FVD was published with.

``fvd_released`` reproduces the published column, whose code gave I3D pixels of 0 to 255, though it was trained on
[-1, 1]. Almost every pixel is then far outside the network's training range, so those values are on a scale of their
own and not comparable with FVD.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zigbench.evaluation.extractors.features import three_channels
from zigbench.evaluation.extractors.weights import Weights, WeightsFile, find_weights

WEIGHTS = Weights(
    file="i3d_torchscript.pt",
    url="https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
    prefix="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
)

SIDE = 224
CLASSES = 400

FEWEST = 9
"""Least number of frames: the last pooling is two steps long, after three halvings."""

AT_ONCE = 8
"""Number of clips that are evaluated at once."""

# Channels of the blocks: the 1×1×1 branch; the two 3×3×3 branches, each behind a 1×1×1; the 1×1×1 behind a pooling.
BLOCKS = {
    "3b": (64, (96, 128), (16, 32), 32), "3c": (128, (128, 192), (32, 96), 64),
    "4b": (192, (96, 208), (16, 48), 64), "4c": (160, (112, 224), (24, 64), 64),
    "4d": (128, (128, 256), (24, 64), 64), "4e": (112, (144, 288), (32, 64), 64),
    "4f": (256, (160, 320), (32, 128), 128), "5b": (256, (160, 320), (32, 128), 128),
    "5c": (384, (192, 384), (48, 128), 128),
}  # fmt: skip

Triple = tuple[int, int, int]


def same_padding(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Pad ``x`` (B, C, T, H, W) with zeros as TensorFlow's SAME does: an odd one goes behind."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max(k - (size % s or s), 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


class Convolution(nn.Module):
    """Convolution without bias, batch norm, rectifier."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel: Triple = (kernel,) * 3
        self.stride: Triple = (stride,) * 3
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.norm = nn.BatchNorm3d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(same_padding(x, self.kernel, self.stride))))


class Pooling(nn.Module):
    """Maximum over a box, padded as the convolutions are; its input is never negative, so zeros change nothing."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool3d(same_padding(x, self.kernel, self.stride), self.kernel, self.stride)


class Block(nn.Module):
    """An Inception block: four branches, side by side in the output's channels."""

    def __init__(self, inputs: int, plain: int, first: tuple[int, int], second: tuple[int, int], pooled: int) -> None:
        super().__init__()
        self.outputs = plain + first[1] + second[1] + pooled
        self.branches = nn.ModuleList(
            (
                Convolution(inputs, plain, 1),
                nn.Sequential(Convolution(inputs, first[0], 1), Convolution(*first, 3)),
                nn.Sequential(Convolution(inputs, second[0], 1), Convolution(*second, 3)),
                nn.Sequential(Pooling((3, 3, 3), (1, 1, 1)), Convolution(inputs, pooled, 1)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Network(nn.Module):
    """I3D on RGB: (B, 3, T, 224, 224) in [-1, 1] to logits (B, 400), the mean over time; T from 9 up."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            Convolution(3, 64, 7, stride=2),
            Pooling((1, 3, 3), (1, 2, 2)),
            Convolution(64, 64, 1),
            Convolution(64, 192, 3),
            Pooling((1, 3, 3), (1, 2, 2)),
        ]
        width = 192
        for name, channels in BLOCKS.items():
            if name == "4b":
                layers.append(Pooling((3, 3, 3), (2, 2, 2)))
            if name == "5b":
                layers.append(Pooling((2, 2, 2), (2, 2, 2)))
            block = Block(width, *channels)
            layers.append(block)
            width = block.outputs
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv3d(width, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.avg_pool3d(self.body(x), (2, 7, 7), stride=1)
        return self.head(pooled).mean((2, 3, 4))

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the weights of another port of this network, whatever the names of its layers.

        Ports agree on the layers' order and on the last part of the names, not on the rest: convolutions and norms are
        therefore matched in the order of the mapping, and every shape is checked. A port whose norms have no factor has
        factors of one. The classifier is the convolution with a bias, wherever the port lists it.

        Raises:
            ValueError: not the weights of this network; names the first difference.
        """
        groups: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            layer, _, part = name.rpartition(".")
            if part != "num_batches_tracked":
                groups.setdefault(layer, {})[part] = tensor
        convs = [g for g in groups.values() if "running_mean" not in g and "bias" not in g and "weight" in g]
        norms = [g for g in groups.values() if "running_mean" in g]
        heads = [g for g in groups.values() if "running_mean" not in g and "bias" in g and "weight" in g]
        layers = [module for module in self.modules() if isinstance(module, Convolution)]
        counts = (len(convs), len(norms), len(heads))
        if counts != (len(layers), len(layers), 1):
            raise ValueError(
                f"it holds {counts[0]} convolutions, {counts[1]} norms and {counts[2]} classifiers; "
                f"I3D has {len(layers)}, {len(layers)} and 1"
            )
        with torch.no_grad():
            for number, (module, conv, norm) in enumerate(zip(layers, convs, norms, strict=True)):
                where = f"convolution {number}"
                _copy(module.conv.weight, conv["weight"], where)
                _copy(module.norm.weight, norm.get("weight", torch.ones(module.conv.out_channels)), where)
                for part in ("bias", "running_mean", "running_var"):
                    _copy(getattr(module.norm, part), norm[part], where)
            _copy(self.head.weight, heads[0]["weight"], "the classifier")
            assert self.head.bias is not None
            _copy(self.head.bias, heads[0]["bias"], "the classifier")


def _copy(to: Tensor, given: Tensor, where: str) -> None:
    if to.shape != given.shape:
        raise ValueError(f"{where} has {tuple(given.shape)} where I3D has {tuple(to.shape)}")
    to.copy_(given)


class I3D(nn.Module):
    """The extractor of FVD: ``logits`` (B, 400) of whole clips.

    Args:
        weights: the published TorchScript, or the weights of any PyTorch port of it as a state dict.
        released: whether to reproduce the published figures' scaling.
    """

    clips = True
    provides = ("logits",)

    def __init__(self, weights: WeightsFile, *, released: bool = False) -> None:
        super().__init__()
        self.released = released
        self.name = "i3d-released" if released else "i3d"
        self.sha256 = weights.sha256
        scaled = "left at 0–255 (the network expects [-1, 1])" if released else "x / 127.5 − 1"
        self.preparation = f"grey repeated to 3 channels; frames bilinear to {SIDE}×{SIDE}, not antialiased; {scaled}"
        try:
            self.network = network_of(weights.path)
        except ValueError as error:
            raise ValueError(f"{weights.path} does not hold the weights of I3D: {error}") from error
        self.network.eval().requires_grad_(False)

    def prepare(self, clips: Tensor) -> Tensor:
        """Return the network's input for uint8 (B, T, C, H, W): float32 (B, 3, T, 224, 224)."""
        frames = three_channels(clips.flatten(0, 1)).float()
        if frames.shape[-2:] != (SIDE, SIDE):
            frames = functional.interpolate(frames, (SIDE, SIDE), mode="bilinear", align_corners=False)
        x = frames if self.released else frames / 127.5 - 1
        return x.unflatten(0, clips.shape[:2]).transpose(1, 2)

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``logits`` of uint8 (B, T, C, H, W), float32 (B, 400).

        Raises:
            ValueError: the clips have fewer than 9 frames.
        """
        if images.shape[1] < FEWEST:
            raise ValueError(f"clips have {images.shape[1]} frames; I3D needs at least {FEWEST}")
        device = next(self.network.parameters()).device
        parts = [self.network(self.prepare(piece.to(device))) for piece in images.split(AT_ONCE)]
        return {"logits": torch.cat(parts)}


class Scripted(nn.Module):
    """The published TorchScript, with its own scaling and resizing switched off."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # Newer versions of PyTorch recommend another format.
            self.script = torch.jit.load(path, map_location="cpu").eval()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.script(x, rescale=False, resize=False, return_features=True)
        return logits


def network_of(path: Path) -> nn.Module:
    """Load the network in a file: a TorchScript as it is, plain tensors into :class:`Network`.

    No code in a file is run but TorchScript's own, which cannot leave its interpreter.

    Raises:
        ValueError: the file is of neither kind or damaged, or has the weights of another network.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(name.endswith("constants.pkl") for name in archive.namelist()):
                    return Scripted(path)
        tensors = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"neither TorchScript nor plain tensors ({str(error).splitlines()[0]})") from error
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ValueError("it is not a mapping of names to tensors")
    network = Network()
    network.fill(tensors)
    return network


def load(name: str, cache: Path, data: Any, given: Path | None) -> I3D:
    """Return the extractor "i3d" or "i3d-released" with the weights of ``find_weights``.

    Raises:
        MissingWeightsError: the weights are not on this machine and cannot be downloaded.
        ValueError: the file does not hold this network's weights.
    """
    return I3D(find_weights(WEIGHTS, cache, given), released=name.endswith("-released"))
