"""The fixed autoencoder between pictures and latents, and the text encoder: diffusers' and transformers' own classes.

Both are loaded from a folder in their library's own form, or from that library's cache; nothing is downloaded.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zigbench.data.config import AUTOENCODERS
from zigbench.data.split import content_hash
from zigbench.spec.files import sha256

PIECE = 16
"""Pictures that are decoded at once."""

VAE = AUTOENCODERS["sd-vae-ft-ema"]
"""The autoencoder that most published networks were trained with, as the library's cache knows it."""

CLIP = "openai/clip-vit-large-patch14"
"""The text encoder that the published networks were trained with, as the library's cache knows it."""


SMALLEST = 3
"""Tokens of the smallest tokenizer: the start of a text, its end, and a word."""


class MissingModelError(ValueError):
    """A model that is not on this machine; the message names it, the places searched and how to get it."""


@dataclass(frozen=True)
class Autoencoder:
    """A loaded AutoencoderKL.

    Attributes:
        model: in evaluation mode, float32.
        source: folder or name it was loaded by.
        sha256: of its weights, whatever file they lie in.
        scale: factor of the latents in its config.
        shift: subtracted from the latents before, in its config.
        channels: of its latents.
        downsampling: pixels a side of one latent cell.
    """

    model: Any
    source: str
    sha256: str
    scale: float
    shift: float
    channels: int
    downsampling: int

    @classmethod
    def load(cls, source: str, device: torch.device | str | None = None) -> Autoencoder:
        """Load by folder, or by name from the cache.

        Args:
            source: folder with ``config.json`` and weights (or whose ``vae`` folder has them), or a cached name.
            device: None takes the GPU where there is one.

        Raises:
            MissingModelError: not here, or diffusers is not installed.
        """
        folder = Path(source)
        if (folder / "vae" / "config.json").is_file():
            folder = folder / "vae"
        place, inner = (str(folder), "") if folder.is_dir() else _cached(source)
        options = {"subfolder": inner} if inner else {}
        # True for low_cpu_mem_usage needs one more package.
        model = _load("diffusers", "AutoencoderKL", place, low_cpu_mem_usage=False, **options)
        config = model.config
        return cls(
            model.to(device or _device()),
            source,
            weights_hash(model),
            float(config.scaling_factor),
            float(getattr(config, "shift_factor", None) or 0.0),
            int(config.latent_channels),
            2 ** (len(config.block_out_channels) - 1),
        )

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return mean and log-variance of pictures in [-1, 1], (B, 3, H, W) → (B, 2, C, h, w), on the CPU."""
        posterior = self.model.encode(pictures.to(self.model.device)).latent_dist
        return torch.stack((posterior.mean, posterior.logvar), dim=1).float().cpu()

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Decode unscaled latents to pictures, (B, C, h, w) → (B, 3, H, W), on the device of ``z``."""
        pieces = [self.model.decode(piece.to(self.model.device)).sample for piece in z.float().split(PIECE)]
        return torch.cat(pieces).to(z.device)


@dataclass(frozen=True)
class TextEncoder:
    """A loaded CLIP text model with its tokenizer.

    Attributes:
        tokens, width: shape of an embedding.
        sha256: of the weights and of the tokenizer's vocabulary.
        pooled: whether an embedding is the one pooled token in place of all.
    """

    model: Any
    tokenizer: Any
    source: str
    sha256: str
    tokens: int
    width: int
    pooled: bool

    @classmethod
    def load(cls, source: str, *, pooled: bool = False, device: torch.device | str | None = None) -> TextEncoder:
        """Load by folder (with the tokenizer beside the model), or by name from the cache.

        Raises:
            MissingModelError: not here, or transformers is not installed.
        """
        model = _load("transformers", "CLIPTextModel", source)
        tokenizer = load_tokenizer(source)
        config = model.config
        tokens = 1 if pooled else int(config.max_position_embeddings)
        model = model.to(device or _device())
        digest = sha256(weights_hash(model), vocabulary(tokenizer))
        return cls(model, tokenizer, source, digest, tokens, int(config.hidden_size), pooled)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> Tensor:
        """Return the last hidden states of captions, float32 (B, tokens, width), on the CPU.

        Captions are padded and cut to the model's length.
        The pooled embedding, where wanted, is the hidden state at the end of the text, (B, 1, width).
        """
        length = int(self.model.config.max_position_embeddings)
        tokens = self.tokenizer(
            list(captions), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        output = self.model(input_ids=tokens["input_ids"].to(self.model.device))
        embedding: Tensor = output.pooler_output[:, None] if self.pooled else output.last_hidden_state
        return embedding.float().cpu()


def load_tokenizer(source: str) -> Any:
    """Load CLIP's tokenizer by folder, or by name from the cache.

    Raises:
        MissingModelError: not here, or transformers is not installed.
    """
    tokenizer = _load("transformers", "CLIPTokenizer", source)
    if len(tokenizer.get_vocab()) < SMALLEST:  # Some versions return one without words where there are no files.
        raise MissingModelError(
            f"no CLIPTokenizer in {source!r}, neither as a folder nor in transformers' cache; download it where there "
            "is a network and name its folder"
        )
    return tokenizer


def vocabulary(tokenizer: Any) -> str:
    """Return the tokens and numbers of a tokenizer as text that is hashed."""
    return repr(sorted(tokenizer.get_vocab().items()))


def _cached(source: str) -> tuple[str, str]:
    """Return the repository of a cached name, and the autoencoder's folder in it ("" for its top)."""
    repository, _, folder = source.rpartition("/")
    return (repository, folder) if source in AUTOENCODERS.values() and "/" in repository else (source, "")


def weights_hash(model: nn.Module) -> str:
    """Return the SHA-256 over the shapes and values of a model's weights, in the order of their names."""
    state = model.state_dict()
    return content_hash(*(state[name].cpu() for name in sorted(state)))


def _load(package: str, name: str, source: str, **options: Any) -> Any:
    try:
        loader = getattr(importlib.import_module(package), name)
    except ImportError as error:
        raise MissingModelError(f"{name} needs {package} ({error}): pip install 'zigbench[latents]'") from None
    try:
        with _quiet(package):
            model = loader.from_pretrained(source, local_files_only=True, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise MissingModelError(
            f"no {name} in {source!r}, neither as a folder nor in {package}'s cache ({reason}); download it where "
            "there is a network and name its folder"
        ) from None
    return model.float().eval().requires_grad_(False) if isinstance(model, nn.Module) else model


@contextmanager
def _quiet(package: str) -> Iterator[None]:
    """Silence the library's own log, warnings and bars: what a reader must know is in the error that is raised."""
    log = importlib.import_module(f"{package}.utils.logging")
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
