"""Fixtures of the tests of prepared data: arrays written as shards, tar shards, and tiny models saved to disk."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SHAPE = (4, 4, 4)
TEXT = (5, 6)
RAW = 1 / 0.18215
"""Deviation of latents that the scale brings to one."""


def add_member(archive: tarfile.TarFile, name: str, content: bytes | np.ndarray) -> None:
    """One member; an array as numpy writes it."""
    if isinstance(content, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, content)
        content = buffer.getvalue()
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    """Shards with the release's keys: 30 samples of three classes for training, 9 held out, latents and captions."""
    generator = np.random.default_rng(3)
    folder = tmp_path / "tars"
    folder.mkdir()
    for shard, count in (("train-000000", 20), ("train-000001", 10), ("val-000000", 9)):
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for number in range(count):
                picture = io.BytesIO()
                Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(picture, "JPEG")
                captions = 1 + number % 3
                key = f"{shard[-1]}{number:05d}"
                add_member(archive, f"{key}.image.jpg", picture.getvalue())
                add_member(archive, f"{key}.img_feature32.npy", RAW * generator.standard_normal(SHAPE, np.float32))
                add_member(
                    archive,
                    f"{key}.caption_clip_feature.npy",
                    generator.standard_normal((captions, *TEXT), np.float32),
                )
                add_member(archive, f"{key}.caption.json", json.dumps([f"{key} {c}" for c in range(captions)]).encode())
                add_member(archive, f"{key}.cls_id", str(number % 3).encode())
    return folder


@pytest.fixture(scope="session")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real AutoencoderKL, tiny and random, that states the scale of its own latents; saved to disk."""
    diffusers = pytest.importorskip("diffusers", reason="needs the extra `latents`")
    torch.manual_seed(0)
    model = diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    with torch.no_grad():  # Latents as large as the published autoencoder's, so that its scale is right.
        model.quant_conv.weight[:4] *= 40
    folder = tmp_path_factory.mktemp("models") / "vae"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real CLIPTextModel, tiny and random, with a tokenizer of single letters; saved to disk."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `latents`")
    folder = tmp_path_factory.mktemp("models") / "clip"
    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
        pad_token_id=len(words) - 1,
    )
    transformers.CLIPTextModel(config).save_pretrained(folder)
    return folder
