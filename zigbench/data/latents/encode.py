"""One shard of samples to arrays: pictures through the autoencoder, captions through the text encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zigbench.data.formats.pictures import Filter, UnreadablePictureError, read_picture
from zigbench.data.formats.samples import Content, Sample, digest_of
from zigbench.data.latents.autoencoder import Autoencoder, TextEncoder
from zigbench.data.shards import write_shard
from zigbench.spec.files import sha256

CERTAIN = -30.0
"""Log-variance of a latent that was taken as it is: the smallest that the autoencoder itself gives."""

TRIED = 8
"""Samples of each shard whose round trip is measured."""

ShardFacts = dict[str, Any]
"""What is known of a shard: its name, counts, sums, faults, and its files' sizes and hashes."""


@dataclass(frozen=True)
class EncodingSpec:
    """How samples are encoded.

    Args:
        resolution: side of the pictures in pixels.
        scale, shift: of the latents, (z − shift)·scale being of unit deviation.
        autoencoder: folder or cached name.
        autoencoder_sha256: of its weights; None where samples come with latents of their own.
        latents: the part of a sample that is its latent; None to encode its picture.
        scaled: whether those latents were scaled already.
        text: folder or cached name of the text encoder; None without captions, or where they come encoded.
        text_sha256: of its weights.
        pooled: whether captions become their one pooled embedding.
        filter: of the pictures' resizing.
        flips: whether a second view, flipped left to right, is kept.
        shard: samples in a shard.
        batch: pictures that are encoded at once.
        fewest: frames that a clip must have, where samples are clips; None where they are pictures.
    """

    resolution: int
    scale: float
    shift: float = 0.0
    autoencoder: str = ""
    autoencoder_sha256: str | None = None
    latents: str | None = None
    scaled: bool = False
    text: str | None = None
    text_sha256: str | None = None
    pooled: bool = False
    filter: Filter = "lanczos"
    flips: bool = True
    shard: int = 512
    batch: int = 16
    fewest: int | None = None

    def identity(self) -> tuple[Any, ...]:
        """What the arrays depend on."""
        return (
            self.resolution, self.scale, self.shift, self.autoencoder_sha256, self.latents, self.scaled,
            self.text_sha256, self.pooled, self.filter, self.flips, self.fewest,
        )  # fmt: skip

    def content(self, sample: Sample) -> Content:
        """What a sample's latent is made of.

        Raises:
            UnreadablePictureError: the sample has no such part.
        """
        found = sample.picture if self.latents is None else sample.features.get(self.latents)
        if found is None:
            raise UnreadablePictureError(f"{sample.name}: it has no {self.latents or 'picture'}")
        return found


@dataclass(frozen=True)
class EncodingTask:
    """One shard to make.

    Args:
        name: of the shard.
        samples: in order.
        labels: of the samples; None without classes.
    """

    name: str
    samples: tuple[Sample, ...]
    labels: tuple[int, ...] | None

    def key(self, order: str) -> str:
        """Hash of what the shard depends on: how it is made, its samples and their labels and captions."""
        told = [(sample.name, sample.captions) for sample in self.samples]
        return sha256(repr((order, told, self.labels)))


@dataclass(frozen=True)
class EncodedShard:
    """What became of a shard's samples.

    Attributes:
        moments: (n, views, 2, …); of clips a row a frame, one clip after the other.
        digests: SHA-256 of each kept sample's picture.
        kept: which samples they are of.
        unreadable: what could not be read, a message each.
        error: mean square of the round trip; None where nothing was encoded here.
        lengths: frames of each kept clip; None for pictures.
    """

    moments: np.ndarray
    digests: list[bytes]
    kept: list[int]
    unreadable: list[str]
    error: float | None = None
    lengths: list[int] | None = None


class Encoder:
    """Makes shards; the models are loaded when the first shard needs them.

    Args:
        order: how.
        text: tokens and width of captions' embeddings; None without captions.
        key: what all shards depend on.
        out: where they go.
        rank, world: which of how many processes this is; each takes a GPU of its own where there are several.
    """

    def __init__(
        self, order: EncodingSpec, text: tuple[int, int] | None, key: str, out: Path, *, rank: int = 0, world: int = 1
    ) -> None:
        self.order = order
        self.text = text
        self.key = key
        self.out = out
        self.device = f"cuda:{rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
        if world > 1:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))

    @cached_property
    def autoencoder(self) -> Autoencoder:
        return Autoencoder.load(self.order.autoencoder, self.device)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        assert self.order.text is not None
        return TextEncoder.load(self.order.text, pooled=self.order.pooled, device=self.device)

    def __call__(self, job: EncodingTask) -> ShardFacts:
        """Make one shard, and return what is known of it.

        Raises:
            ValueError: no sample of it can be read, or arrays are of the wrong shape.
        """
        found = self._encoded(job.samples)
        kept = found.kept
        if not kept:
            raise ValueError(f"no sample of the shard {job.name} can be read: {'; '.join(found.unreadable[:3])}")
        arrays = {
            "moments": found.moments.astype(np.float16),
            "names": np.array([job.samples[row].name.encode() for row in kept]),
            "digests": np.frombuffer(b"".join(found.digests), np.uint8).reshape(-1, 32),
        }
        if not np.isfinite(arrays["moments"]).all():
            raise ValueError(f"the shard {job.name} has latents that are not finite in half precision")
        if found.lengths is not None:
            arrays["frames"] = np.cumsum([0, *found.lengths]).astype(np.int64)
        if job.labels is not None:
            arrays["labels"] = np.array([job.labels[row] for row in kept], dtype=np.int64)
        if self.text is not None:
            arrays["texts"], arrays["first"] = self._texts([job.samples[row] for row in kept], self.text)
        scaled = (found.moments[:, 0, 0].astype(np.float64) - self.order.shift) * self.order.scale
        facts = {
            "key": job.key(self.key),
            "name": job.name,
            "count": len(kept),
            "shape": list(found.moments.shape[3:]),
            "values": scaled.size,
            "sum": float(scaled.sum()),
            "squares": float((scaled**2).sum()),
            "roundtrip": found.error,
            "unreadable": found.unreadable,
        }
        if found.lengths is not None:
            facts["shortest"] = min(found.lengths)
        return write_shard(self.out, job.name, arrays, facts)

    def _encoded(self, samples: Sequence[Sample]) -> EncodedShard:
        """Moments (n, views, 2, …) of the samples that can be read."""
        read: list[np.ndarray] = []
        digests: list[bytes] = []
        kept, unreadable = [], []
        for row, sample in enumerate(samples):
            try:
                array, digest = self._read(sample)
                read.append(array)
                digests.append(digest)
                kept.append(row)
            except (UnreadablePictureError, OSError) as error:
                unreadable.append(str(error) if sample.name in str(error) else f"{sample.name}: {error}")
        if not read or self.order.latents is not None:
            return EncodedShard(np.stack(read) if read else np.empty(0), digests, kept, unreadable)
        moments, square = self.moments(np.stack(read))
        return EncodedShard(moments, digests, kept, unreadable, square)

    def moments(self, pixels: np.ndarray) -> tuple[np.ndarray, float]:
        """Moments (n, views, 2, …) of pixels uint8 (n, 3, H, W), and the mean square of some round trips."""
        moments, errors = [], []
        for start in range(0, len(pixels), self.order.batch):
            pictures = torch.from_numpy(pixels[start : start + self.order.batch]).float() / 127.5 - 1
            views = [self.autoencoder.encode(pictures)]
            if self.order.flips:
                views.append(self.autoencoder.encode(pictures.flip(-1)))
            moments.append(torch.stack(views, dim=1).numpy())
            if start < TRIED:
                back = self.autoencoder.decode(views[0][: TRIED - start, 0]).clamp(-1, 1)
                errors.append((back - pictures[: len(back)]).square().mean().item())
        return np.concatenate(moments), float(np.mean(errors))

    def _read(self, sample: Sample) -> tuple[np.ndarray, bytes]:
        """Pixels uint8 (3, H, W), or moments (1, 2, …) of a sample that comes with its latent; its picture's SHA-256.

        The latter is all zeros for a latent that comes without a picture.
        """
        content = self.order.content(sample).read()
        if self.order.latents is None:
            pixels = read_picture(content, self.order.resolution, 3, name=sample.name, filter=self.order.filter)
            return pixels, bytes.fromhex(digest_of(content))
        if not isinstance(content, np.ndarray) or content.dtype.kind != "f" or content.ndim not in (3, 4):
            raise UnreadablePictureError(
                f"{sample.name}: its latent is no floating-point array (C, H, W) or (T, C, H, W)"
            )
        mean = content.astype(np.float32)
        if self.order.scaled:
            mean = mean / self.order.scale + self.order.shift
        digest = bytes(32) if sample.picture is None else bytes.fromhex(digest_of(sample.picture.read()))
        return np.stack((mean, np.full_like(mean, CERTAIN)))[None], digest

    def _texts(self, samples: Sequence[Sample], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of all captions, float16 (m, tokens, width), and each sample's first, int64 (n + 1,)."""
        parts = []
        for sample in samples:
            if "captions" in sample.features:
                found = np.asarray(sample.features["captions"].read(), dtype=np.float32)
                parts.append(found[None] if found.ndim == 2 else found)
            else:
                parts.append(self.text_encoder.encode(sample.captions).numpy())
            if parts[-1].shape[1:] != shape or not len(parts[-1]):
                raise ValueError(
                    f"{sample.name}: its captions' embeddings are {parts[-1].shape}, not (captions, *{shape})"
                )
        first = np.cumsum([0, *map(len, parts)]).astype(np.int64)
        return np.concatenate(parts).astype(np.float16), first
