"""CLIP's text encoder with the weights beside its image encoder's, for the CLIP score.

torch-fidelity builds the image encoder alone; the published file holds both, and the text's is put together here of the
same blocks: Radford et al., "Learning transferable visual models from natural language supervision" (2021).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_clip import LayerNorm, Transformer

from zigbench.data.latents.autoencoder import load_tokenizer, vocabulary
from zigbench.evaluation.extractors.clip import WEIGHTS
from zigbench.evaluation.extractors.weights import find_weights
from zigbench.spec.files import sha256

TOKENIZER = "ZIGBENCH_TOKENIZER"
"""Environment variable that names the folder of CLIP's tokenizer, if it is in no cache."""

HEAD = 64
"""Width of a head of attention, in all of CLIP's networks."""

BATCH = 128
"""Captions that are encoded at once."""


class ClipText(nn.Module):
    """The text encoder; an embedding is that of the token at the end of the text, not brought to length 1.

    Args:
        state: the weights of the whole CLIP, by their published names.
        tokenizer: transformers' tokenizer of CLIP; the end of a text is its last token's number.

    Attributes:
        sha256: of the tokenizer.

    Raises:
        KeyError: there are no weights of a text encoder.
        RuntimeError: they do not fit together.
    """

    mask: Tensor

    def __init__(self, state: Mapping[str, Tensor], tokenizer: Any) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.sha256 = sha256(vocabulary(tokenizer))
        self.positions = nn.Parameter(state["positional_embedding"].float())
        self.projection = nn.Parameter(state["text_projection"].float())
        self.embedding = nn.Embedding.from_pretrained(state["token_embedding.weight"].float())
        length, width = self.positions.shape
        blocks = {name.removeprefix("transformer."): x for name, x in state.items() if name.startswith("transformer.")}
        layers = len({name.split(".")[1] for name in blocks})
        causal = torch.full((length, length), float("-inf")).triu(1)
        self.transformer = Transformer(width, layers, max(1, width // HEAD), causal)
        self.transformer.load_state_dict(blocks)
        self.norm = LayerNorm(width)
        self.norm.load_state_dict({name: state[f"ln_final.{name}"] for name in ("weight", "bias")})
        if (tokens := len(tokenizer.get_vocab())) != self.embedding.num_embeddings:
            raise RuntimeError(f"the tokenizer has {tokens} tokens, the weights {self.embedding.num_embeddings}")

    @property
    def length(self) -> int:
        """Number of tokens to which captions are padded and cut."""
        return len(self.positions)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> Tensor:
        """Return the embeddings of captions, float32 (len(captions), D), on the CPU."""
        parts = [self(self._tokens(captions[start : start + BATCH])) for start in range(0, len(captions), BATCH)]
        return torch.cat(parts).cpu()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the embeddings of tokens, int64 (B, :attr:`length`): float32 (B, D)."""
        x = self.embedding(tokens) + self.positions
        x = self.transformer(x.transpose(0, 1)).transpose(0, 1)
        end = tokens.argmax(1)  # The first of the greatest: padding repeats the end.
        return self.norm(x[torch.arange(len(x), device=x.device), end]) @ self.projection

    def _tokens(self, captions: Sequence[str]) -> Tensor:
        tokens = self.tokenizer(
            list(captions), padding="max_length", truncation=True, max_length=self.length, return_tensors="pt"
        )
        ids: Tensor = tokens["input_ids"]
        return ids.to(self.positions.device)


def load_text_encoder(
    cache: Path, tokenizer: str, given: Path | None = None, device: torch.device | str = "cpu"
) -> ClipText:
    """Return the text encoder with the weights of the extractor ``clip``.

    Args:
        cache: the folder that runs share.
        tokenizer: folder of CLIP's tokenizer, or its name in transformers' cache; ``$ZIGBENCH_TOKENIZER`` replaces it.
        given: a file of weights to use instead of the published one.
        device: the device to compute on.

    Raises:
        MissingWeightsError: the weights are not on this machine and cannot be downloaded.
        ValueError: the tokenizer is not on this machine, or the file is no TorchScript of a CLIP that it fits.
    """
    file = find_weights(WEIGHTS, cache, given)
    place = os.environ.get(TOKENIZER) or tokenizer
    words = load_tokenizer(place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of torch: the published file is TorchScript.
            state = torch.jit.load(str(file.path), map_location="cpu").state_dict()
        return ClipText(state, words).to(device).eval().requires_grad_(False)
    except (RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{file.path} does not hold CLIP's text encoder for the tokenizer {place}: {reason}"
        ) from error
