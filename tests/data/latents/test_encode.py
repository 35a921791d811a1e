"""Pictures and captions through real models, tiny and random, saved to disk and loaded by path."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from zigbench.data.builtin.folders import LatentFolderConfig
from zigbench.data.latents.autoencoder import Autoencoder, MissingModelError, TextEncoder
from zigbench.data.latents.dataset import Latents
from zigbench.data.prepare import PrepareOptions, prepare_data_set
from zigbench.data.shards import DamagedDataError
from zigbench.data.split import AugmentationKey

COUNT = 36
SIDE = 32


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Crops of scikit-learn's two photographs, each with two captions; one file cut short."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(COUNT):
        name = ("china", "flower")[number % 2]
        picture = load_sample_image(f"{name}.jpg")
        top, left = 10 * number, 15 * number
        path = folder / name / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture[top : top + SIDE, left : left + SIDE]).save(path)
        path.with_suffix(".txt").write_text(f"a {name}\nthe {name} {number}\n")
    broken = folder / "china" / "00.png"
    broken.write_bytes(broken.read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def prepared(photographs, vae, clip, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "latents"
    choices = PrepareOptions(resolution=SIDE, to=out, vae=str(vae), text=str(clip), classes=2, unreadable=0.05)
    return prepare_data_set("latents", photographs, choices)


def config(folder, **changes):
    return LatentFolderConfig(path=str(folder), resolution=SIDE, **{"classes": 2, "text": (77, 16), **changes})


def test_latents_are_the_autoencoders_own_and_decode_back(prepared, photographs, vae):
    folder, made = prepared
    assert sum(made.counts.values()) == COUNT - 1
    assert [message.partition(":")[0] for message in made.unreadable] == ["china/00.png"]
    assert made.roundtrip is not None
    data = Latents(config(folder))
    assert data.unreadable == made.unreadable
    bare = Latents(config(folder, classes=None, text=None))
    for name in ("train", "held-out"):
        assert data.split(name).content_hash != bare.split(name).content_hash
        assert data.split(name).unlabelled_hash == bare.split(name).unlabelled_hash
    split = data.split("train")
    x = split.batch(range(len(split))).x
    pictures = {}
    autoencoder = Autoencoder.load(str(vae))
    for path in sorted(photographs.rglob("*.png"))[1:]:
        pixels = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 127.5 - 1
        for view, picture in (("plain", pixels), ("flipped", pixels.flip(-1))):
            pictures[path, view] = autoencoder.encode(picture[None])[0, 0] * autoencoder.scale
    plain = torch.stack([latent for (_, view), latent in pictures.items() if view == "plain"])
    flipped = torch.stack([latent for (_, view), latent in pictures.items() if view == "flipped"])
    homes = torch.cdist(x.flatten(1), plain.flatten(1)).min(1)
    assert homes.values.max() < 0.02
    assert len(set(homes.indices.tolist())) == len(split)
    visit = split.batch(AugmentationKey(range(len(split)), 3)).x
    is_plain = (visit - x).flatten(1).abs().amax(1) < 1e-6
    assert 0 < is_plain.sum() < len(split)
    assert (visit[~is_plain] - flipped[homes.indices[~is_plain]]).abs().max() < 0.02
    back = data.decode(x[:3])
    assert back.shape == (3, 3, SIDE, SIDE)
    assert torch.allclose(back, autoencoder.decode(x[:3] / autoencoder.scale), atol=1e-5)
    assert data.decode(x[:4].unflatten(0, (2, 2))).shape == (2, 2, 3, SIDE, SIDE)


def test_draws_from_the_posterior_have_its_mean_and_deviation(prepared):
    folder, _ = prepared
    split = Latents(config(folder, posterior=True)).split("train")
    moments = np.load(folder / "train-00000.moments.npy").astype(np.float32)
    draws = torch.stack([split.batch(AugmentationKey([2], seed)).x[0] / split.scale for seed in range(200)])
    near = [(draws - torch.from_numpy(moments[2, view, 0])).flatten(1).square().sum(1) for view in (0, 1)]
    plain = near[0] < near[1]
    for view, chosen in ((0, plain), (1, ~plain)):
        deviation = np.exp(0.5 * moments[2, view, 1])
        normal = (draws[chosen].numpy() - moments[2, view, 0]) / deviation
        assert abs(normal.mean()) < 5 / np.sqrt(normal.size)
        assert normal.std() == pytest.approx(1, abs=0.05)


def test_captions_are_clips_last_hidden_states_padded_to_its_length(prepared, clip):
    from transformers import CLIPTextModel, CLIPTokenizer

    encoder = TextEncoder.load(str(clip))
    found = encoder.encode(["a china", "the flower 1"])
    assert found.shape == (2, 77, 16)
    tokens = CLIPTokenizer.from_pretrained(clip)(["a china", "the flower 1"], padding="max_length", return_tensors="pt")
    with torch.no_grad():
        told = CLIPTextModel.from_pretrained(clip)(input_ids=tokens["input_ids"])
    assert torch.allclose(found, told.last_hidden_state, atol=1e-6)
    pooled = TextEncoder.load(str(clip), pooled=True)
    assert (pooled.tokens, pooled.width) == (1, 16)
    assert torch.allclose(pooled.encode(["a china", "the flower 1"])[:, 0], told.pooler_output, atol=1e-6)
    folder, _ = prepared
    data = Latents(config(folder))
    batch = data.split("train").batch(range(4))
    names = data.index["classes"]
    wanted = encoder.encode([f"a {names[label]}" for label in batch.label.tolist()])
    assert torch.allclose(batch.context, wanted, atol=2e-3)


def test_latents_are_decoded_by_the_autoencoder_they_were_made_with(prepared, vae, tmp_path, monkeypatch):
    from diffusers import AutoencoderKL

    folder, _ = prepared
    assert Latents(config(folder)).decoder == f"AutoencoderKL {Autoencoder.load(str(vae)).sha256[:16]}, scale 0.18215"
    other = AutoencoderKL.from_pretrained(vae)
    with torch.no_grad():
        other.decoder.conv_out.bias += 1
    other.save_pretrained(tmp_path / "other")
    monkeypatch.setenv("ZIGBENCH_VAE", str(tmp_path / "other"))
    with pytest.raises(DamagedDataError, match=r"was encoded by an autoencoder with weights .*ZIGBENCH_VAE"):
        _ = Latents(config(folder)).decoder
    monkeypatch.setenv("ZIGBENCH_VAE", str(tmp_path / "nowhere"))
    with pytest.raises(MissingModelError, match=r"no AutoencoderKL in .*nowhere"):
        _ = Latents(config(folder)).decoder


def test_too_many_unreadable_pictures_and_missing_captions_are_refused(photographs, vae, clip, tmp_path):
    choices = PrepareOptions(resolution=SIDE, to=tmp_path / "none", vae=str(vae))
    with pytest.raises(
        ValueError, match=r"1 of 36 pictures are unreadable, more than the allowed 1\.0%: china/00\.png"
    ):
        prepare_data_set("latents", photographs, choices)
    assert not list((tmp_path / "none").glob("*"))  # Refused before anything was encoded.
    for number in range(3):
        path = tmp_path / "bare" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (SIDE, SIDE)).save(path)
    with pytest.raises(ValueError, match=r"3 samples have no caption, the first being 0\.png"):
        prepare_data_set(
            "latents", tmp_path / "bare", PrepareOptions(resolution=SIDE, to=tmp_path, vae=str(vae), text=str(clip))
        )


def test_what_a_recipe_does_not_take_is_refused_before_anything_is_encoded(photographs, vae, clip, tmp_path):
    def refused(name, **choices):
        with pytest.raises(ValueError) as caught:
            prepare_data_set(name, photographs, PrepareOptions(to=tmp_path / "out", vae=str(vae), **choices))
        return str(caught.value)

    assert refused("celebahq", classes=3) == "--classes 3: celebahq takes none"
    assert "celebahq is prepared without any" in refused("celebahq", text=str(clip))
    assert "latents is prepared without any" in refused("latents", resolution=SIDE, pooled=True)
    assert "coco has captions of 77×768" in refused("coco", text=str(clip))
    assert "give 1×16: leave out --pooled" in refused("coco", text=str(clip), pooled=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("load", "library"), [(Autoencoder.load, "diffusers"), (TextEncoder.load, "transformers")])
def test_a_missing_model_is_told_by_its_error_alone(load, library, tmp_path, capfd):
    pytest.importorskip(library, reason="needs the extra `latents`")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(MissingModelError, match="neither as a folder nor"):
            load(str(tmp_path))
    assert not warned
    assert capfd.readouterr().err == ""


def test_pictures_that_a_table_names_and_the_folder_lacks_are_counted(photographs, vae, tmp_path):
    for path in sorted(photographs.glob("flower/*.png")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    (tmp_path / "table.csv").write_text("\n".join(["file", *names, "gone.png"]))
    choices = PrepareOptions(resolution=SIDE, to=tmp_path / "out", vae=str(vae), unreadable=0.1)
    _, made = prepare_data_set("latents", tmp_path, choices)
    assert sum(made.counts.values()) == len(names)
    (message,) = made.unreadable
    assert "gone.png" in message
