"""I3D: its shapes, its scaling, and the real loading code on files of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from zigbench.evaluation.extractors import i3d
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.weights import MissingWeightsError

from ..image_sets import images


class Published(nn.Module):
    """A network with the call of the published TorchScript."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, rescale: bool, resize: bool, return_features: bool) -> Tensor:
        if rescale or resize or not return_features:
            raise RuntimeError("asked for what is done elsewhere")
        return self.network(x)


@pytest.fixture(scope="module")
def network() -> i3d.Network:
    """I3D with random weights, whose norms have statistics of their own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = i3d.Network().eval()
        for module in made.modules():
            if isinstance(module, nn.BatchNorm3d):
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made


@pytest.fixture(scope="module")
def clip() -> Tensor:
    return images(1, i3d.FEWEST, side=40)[None]


@pytest.fixture(scope="module")
def logits(network: i3d.Network, clip: Tensor) -> Tensor:
    """The network's logits for the clip, scaled by hand."""
    frames = nn.functional.interpolate(clip[0].float(), (224, 224), mode="bilinear", align_corners=False)
    with torch.no_grad():
        return network((frames / 255 * 2 - 1).transpose(0, 1)[None])


def dialect(network: i3d.Network) -> dict[str, Tensor]:
    """The same weights under another port's names: the classifier first, norms without a factor."""
    state = network.state_dict()
    renamed = {f"logits.conv3d.{part}": state[f"head.{part}"] for part in ("weight", "bias")}
    for number, module in enumerate(m for m in network.modules() if isinstance(m, i3d.Convolution)):
        renamed[f"unit_{number}.conv3d.weight"] = module.conv.weight.detach()
        for part in ("bias", "running_mean", "running_var", "num_batches_tracked"):
            renamed[f"unit_{number}.bn.{part}"] = module.norm.state_dict()[part]
    return renamed


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("kind", ["state.pt", "dialect.pt", "script.pt"])
def test_every_kind_of_file_gives_the_same_logits(network, clip, logits, kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "state.pt":
        torch.save(network.state_dict(), path)
    elif kind == "dialect.pt":
        torch.save(dialect(network), path)
    else:
        traced = torch.jit.trace(network, torch.zeros(1, 3, i3d.FEWEST, 224, 224), check_trace=False)
        torch.jit.script(Published(traced)).save(path)
    extractor = load_extractor("i3d", tmp_path, weights=path)
    assert extractor.clips
    with torch.no_grad():
        found = extractor.extract(clip)["logits"]
    assert found.shape == (1, 400)
    torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-5)


@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 3))
def test_same_padding_gives_one_output_for_each_stride(size: int, kernel: int, stride: int) -> None:
    """TensorFlow's rule: ceil(size / stride) outputs, and never more in front than behind."""
    x = torch.ones(1, 1, 1, 1, size)
    padded = i3d.same_padding(x, (1, 1, kernel), (1, 1, stride)).flatten()
    if kernel >= stride:
        assert (len(padded) - kernel) // stride + 1 == -(-size // stride)
    front = int((padded == 1).nonzero()[0])
    assert 0 <= len(padded) - size - 2 * front <= 1


def bare(released: bool) -> i3d.I3D:
    extractor = object.__new__(i3d.I3D)
    nn.Module.__init__(extractor)
    extractor.released = released
    return extractor


def test_the_released_scaling_leaves_pixels_as_they_are() -> None:
    grey = images(0, 6, side=30, channels=1).reshape(2, 3, 1, 30, 30)
    usual, released = bare(False).prepare(grey), bare(True).prepare(grey)
    assert usual.shape == released.shape == (2, 3, 3, 224, 224)
    assert usual.min() >= -1
    assert usual.max() <= 1
    torch.testing.assert_close(released, 127.5 * (usual + 1))
    at_home = torch.randint(0, 256, (1, 2, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(bare(True).prepare(at_home).transpose(1, 2), at_home.float())


def test_too_short_a_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="clips have 8 frames; I3D needs at least 9"):
        bare(False).extract(torch.zeros(1, 8, 3, 4, 4, dtype=torch.uint8))


def test_missing_weights_say_which_from_where_and_where_to_put_them(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ZIGBENCH_OFFLINE", "1")
    with pytest.raises(MissingWeightsError) as raised:
        load_extractor("i3d", tmp_path)
    for part in ("i3d_torchscript.pt", i3d.WEIGHTS.url, str(tmp_path / "weights" / "i3d_torchscript.pt")):
        assert part in str(raised.value)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "i3d_torchscript.pt").write_bytes(b"another file")
    with pytest.raises(ValueError, match=r"the published i3d_torchscript\.pt begins with bec6519f66ea534e"):
        load_extractor("i3d", tmp_path)


def test_other_files_are_refused_with_what_they_lack(network, tmp_path) -> None:
    few = dict(list(network.state_dict().items())[:10])
    other = {**network.state_dict(), "body.0.conv.weight": torch.zeros(64, 3, 3, 3, 3)}
    for name, content, said in (
        ("few.pt", few, "2 convolutions, 2 norms and 0 classifiers; I3D has 57, 57 and 1"),
        ("other.pt", other, r"convolution 0 has \(64, 3, 3, 3, 3\) where I3D has \(64, 3, 7, 7, 7\)"),
        ("list.pt", [torch.zeros(2)], "not a mapping of names to tensors"),
    ):
        torch.save(content, tmp_path / name)
        with pytest.raises(ValueError, match=f"{name} does not hold the weights of I3D: .*{said}"):
            load_extractor("i3d-released", tmp_path, weights=tmp_path / name)
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ValueError, match="neither TorchScript nor plain tensors"):
        load_extractor("i3d", tmp_path, weights=tmp_path / "cut.pt")
