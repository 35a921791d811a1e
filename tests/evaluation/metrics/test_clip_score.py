"""The CLIP score: the text encoder against its equations, pictures beside their texts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from zigbench.cli import app
from zigbench.evaluation import read_protocols
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.clip_text import load_text_encoder
from zigbench.evaluation.measure import evaluate, prepare
from zigbench.evaluation.pictures import Pictures
from zigbench.evaluation.score import score
from zigbench.interpolant import Interpolant
from zigbench.spec.errors import SpecError

from ..image_sets import images

CAPTIONS = ("a fox", "two red boats by a lake at dawn", "ink")


def embedded(state: dict[str, torch.Tensor], tokens: list[int]) -> torch.Tensor:
    """The embedding of one text by the equations of a pre-norm transformer of one block and one head, in float64."""
    w = {name.removeprefix("transformer.resblocks.0."): value.double() for name, value in state.items()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdim=True)
        return (
            centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]
        )

    x = w["token_embedding.weight"][tokens] + w["positional_embedding"][: len(tokens)]
    q, k, v = (norm(x, "ln_1") @ w["attn.in_proj_weight"].T + w["attn.in_proj_bias"]).chunk(3, dim=-1)
    rows = []
    for i in range(len(tokens)):  # Each token sees itself and those before it.
        weights = torch.softmax(k[: i + 1] @ q[i] / 8, dim=0)
        rows.append(weights @ v[: i + 1])
    x = x + torch.stack(rows) @ w["attn.out_proj.weight"].T + w["attn.out_proj.bias"]
    hidden = norm(x, "ln_2") @ w["mlp.c_fc.weight"].T + w["mlp.c_fc.bias"]
    x = x + hidden * torch.sigmoid(1.702 * hidden) @ w["mlp.c_proj.weight"].T + w["mlp.c_proj.bias"]
    return norm(x[-1], "ln_final") @ w["text_projection"]


def numbers(text: str) -> list[int]:
    """Letters by their place in the alphabet, the last of a word 26 later; start, text cut to ten tokens, end."""
    places = [ord(letter) - 97 + 26 * (i == len(word) - 1) for word in text.split() for i, letter in enumerate(word)]
    return [52, *places[:10], 53]


def test_texts_are_embedded_by_the_equations_of_their_encoder(clip_weights, clip_tokenizer, tmp_path) -> None:
    encoder = load_text_encoder(tmp_path, str(clip_tokenizer), clip_weights)
    state = torch.jit.load(str(clip_weights)).state_dict()
    wanted = torch.stack([embedded(state, numbers(text)) for text in CAPTIONS])
    torch.testing.assert_close(encoder.encode(CAPTIONS).double(), wanted, rtol=1e-4, atol=1e-4)


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    place = tmp_path / "captioned"
    place.mkdir()
    for index, (pixels, text) in enumerate(zip(images(0, 3, 32), CAPTIONS, strict=True)):
        PIL.Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(place / f"{index}.png")
        (place / f"{index}.txt").write_text(f"{text}\nanother caption of it\n")
    return place


def test_pictures_are_scored_with_the_texts_beside_them(
    captioned, clip_weights, clip_tokenizer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("ZIGBENCH_TOKENIZER", str(clip_tokenizer))
    pictures = Pictures.of(captioned)
    (measured,), (protocol,) = score(
        pictures, None, ["clip_score"], cache=tmp_path, weights={"clip": clip_weights}, device="cpu"
    )
    state = torch.jit.load(str(clip_weights)).state_dict()
    shown = load_extractor("clip", tmp_path, weights=clip_weights).extract(pictures.images(0, 3))["features"].double()
    cosines = [
        float(functional.cosine_similarity(x, embedded(state, numbers(text)), dim=0))
        for x, text in zip(shown, CAPTIONS, strict=True)
    ]
    assert min(cosines) < 0 < max(cosines)
    assert measured.value == pytest.approx(sum(100 * max(cosine, 0) for cosine in cosines) / 3, rel=1e-3)
    assert measured.interval[0] <= measured.value <= measured.interval[1]
    assert (protocol.reference, protocol.reference_count) == ("captions beside captioned", 3)
    (captioned / "1.txt").write_text("a toad")
    changed = score(Pictures.of(captioned), None, ["clip_score"], cache=tmp_path, weights={"clip": clip_weights})[1]
    assert changed[0].hash != protocol.hash


class Captioned:
    """Held-out images whose captions are known in words, as prepared latents have them."""

    def __init__(self, split, tokenizer: Path) -> None:
        self._split, self.index = split, {"text_encoder": {"source": str(tokenizer)}}

    def split(self, name: str):
        return self

    def batch(self, indices):
        x = torch.zeros(len(indices), 4, 4, 4)
        return type(self._split.batch([0]))(x, None, torch.zeros(len(indices), 5, 6))

    def __len__(self) -> int:
        return len(CAPTIONS)

    decoder = "the first three channels"

    @staticmethod
    def decode(x):
        return x[:, :3].clamp(-1, 1)

    def originals(self, split: str):
        return type("Originals", (), {"captions": CAPTIONS, "name": "boats", "__len__": lambda _: 3})()


def test_samples_of_a_run_are_scored_with_the_captions_they_were_drawn_for(
    network, digits, make_spec, clip_weights, clip_tokenizer, tmp_path
) -> None:
    from ..conftest import PixelNetwork

    spec = make_spec(
        data__name="latents", data__config__path="x", data__config__resolution=32, data__config__text=(5, 6),
        evaluation__metrics=["clip_score"], evaluation__samples=7,
    )  # fmt: skip
    data = Captioned(digits.split("held-out"), clip_tokenizer)
    given = {"clip": clip_weights}
    prepare(data, spec, cache=tmp_path, weights=given)
    (measured,) = evaluate(PixelNetwork(4), Interpolant(), data, spec, folder=tmp_path, cache=tmp_path, weights=given)
    assert 0 < measured.value < 100
    protocol = read_protocols(tmp_path)[measured.protocol]
    assert (protocol.reference, protocol.reference_count) == ("captions of boats, held-out", 3)
    assert protocol.labels == "text i mod N of the held-out split for sample i"


def test_captions_that_are_not_there_are_refused_in_one_line(
    captioned, clip_weights, clip_tokenizer, make_spec, tmp_path, monkeypatch
) -> None:
    with pytest.raises(SpecError, match="compares images with the captions they were drawn for; these data have none"):
        make_spec(evaluation__metrics=["clip_score"])
    missing = captioned / "1.txt"
    missing.unlink()
    command = ["score", "--generated", str(captioned), "--metric", "clip_score", "--cache", str(tmp_path / "cache")]
    monkeypatch.setenv("ZIGBENCH_OFFLINE", "1")
    without = CliRunner().invoke(app, command)
    assert without.exit_code != 0
    assert "clip-vit-l-14-336px" in str(without.exception)
    assert "are not on this machine (downloads are switched off)" in str(without.exception)
    given = CliRunner().invoke(app, [*command, "--weights", f"clip={clip_weights}"])
    assert "1 of 3 pictures in" in str(given.exception)
    assert "first 1.png: write it into 1.txt" in str(given.exception)
    unreal = CliRunner().invoke(app, ["score", "--generated", str(captioned), "--cache", str(tmp_path)])
    assert "frechet_random, kid_random compare with real pictures: give --real" in str(unreal.exception)
    (captioned / "1.txt").write_text("a toad")
    nameless = CliRunner().invoke(app, [*command, "--weights", f"clip={clip_weights}"])
    assert "no CLIPTokenizer in 'openai/clip-vit-large-patch14'" in str(nameless.exception)
