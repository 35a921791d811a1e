"""One shard of samples to arrays: pictures and clips through the autoencoder, captions through the text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zigbench import host_memory
from zigbench.data.formats.pictures import Filter, UnreadablePictureError, read_picture
from zigbench.data.formats.samples import Content, Sample, digest_of
from zigbench.data.formats.video import read_clip
from zigbench.data.latents.autoencoder import Autoencoder, TextEncoder
from zigbench.data.pixels import from_uint8
from zigbench.data.shards import ShardStore
from zigbench.spec.files import sha256

CERTAIN = -30.0
"""Log-variance of a latent that came with its sample: the smallest that the autoencoder itself gives."""

TRIED = 8
"""Samples of each shard whose round trip is measured."""

CLIPS = 16
"""Clips in a shard: some thousand frames."""

ShardFacts = dict[str, Any]
"""Facts of a shard: its name, counts, sums, faults, and its files' sizes and hashes."""


@dataclass(frozen=True)
class EncodingSpec:
    """The settings of an encoding.

    Args:
        resolution: side of the pictures in pixels.
        scale, shift: of the latents, (z − shift)·scale being of unit deviation.
        autoencoder: folder or cached name.
        autoencoder_sha256: of its weights; None if samples already have latents.
        latents: the part of a sample that is its latent; None to encode its picture.
        scaled: whether those latents are already scaled.
        text: folder or cached name of the text encoder; None without captions, or where they come encoded.
        text_sha256: of its weights and its tokenizer.
        pooled: whether captions become their one pooled embedding.
        filter: of the pictures' resizing.
        flips: whether a second view, flipped left to right, is stored.
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
        """Return all settings that the arrays depend on."""
        return (
            self.resolution, self.scale, self.shift, self.autoencoder_sha256, self.latents, self.scaled,
            self.text_sha256, self.pooled, self.filter, self.flips, self.fewest,
        )  # fmt: skip

    def content(self, sample: Sample) -> Content:
        """Return the content that a sample's latent is made of.

        Raises:
            UnreadablePictureError: the sample has no such part.
        """
        content = sample.picture if self.latents is None else sample.features.get(self.latents)
        if content is None:
            raise UnreadablePictureError(f"{sample.name}: it has no {self.latents or 'picture'}")
        return content

    def sources(self, sample: Sample) -> list[Content]:
        """Return every content that a sample's arrays depend on."""
        parts = [sample.picture, sample.features.get(self.latents or ""), sample.features.get("captions")]
        return [part for part in parts if part is not None]


@dataclass(frozen=True)
class EncodingTask:
    """A shard to encode.

    Args:
        name: of the shard.
        samples: in order.
        labels: of the samples; None without classes.
    """

    name: str
    samples: tuple[Sample, ...]
    labels: tuple[int, ...] | None

    def key(self, how: str, spec: EncodingSpec) -> str:
        """Return the hash of all that the shard depends on; reads the contents of its samples.

        Args:
            how: hash of the settings of all shards.
            spec: settings of the encoding.
        """
        parts = [
            (sample.name, sample.captions, [_digest(content) for content in spec.sources(sample)])
            for sample in self.samples
        ]
        return sha256(repr((how, parts, self.labels)))


@dataclass
class EncodedShard:
    """The samples of a shard that could be read, encoded.

    Attributes:
        moments: (n, views, 2, …) or, of clips, a row a frame and an entry a clip.
        digests: SHA-256 of each sample's picture, zeros where there is none.
        rows: of the samples within the shard.
        unreadable: a message for each sample that could not be read.
        errors: mean squares of round trips; none where nothing was encoded here.
    """

    moments: list[np.ndarray] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)


class Encoder:
    """An encoder of shards; it loads the models when the first shard needs them.

    Args:
        spec: how samples are encoded.
        text: tokens and width of captions' embeddings; None without captions.
        how: hash of how all shards are made.
        out: folder of the shards.
        rank, world: rank of this process and number of processes; each takes a GPU of its own if there are several.
    """

    def __init__(
        self, spec: EncodingSpec, text: tuple[int, int] | None, how: str, out: Path, *, rank: int = 0, world: int = 1
    ) -> None:
        self.spec = spec
        self.text = text
        self.how = how
        self.store = ShardStore(out)
        self.device = f"cuda:{rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
        if world > 1:
            torch.set_num_threads(max(1, host_memory.available_cores() // world))

    @cached_property
    def autoencoder(self) -> Autoencoder:
        return Autoencoder.load(self.spec.autoencoder, self.device)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        assert self.spec.text is not None
        return TextEncoder.load(self.spec.text, pooled=self.spec.pooled, device=self.device)

    def __call__(self, task: EncodingTask) -> ShardFacts:
        """Make one shard and return its facts.

        Raises:
            ValueError: no sample of it can be read, or arrays are of the wrong shape.
        """
        # Before the encoding: if contents change meanwhile, the next preparation sees another hash.
        key = task.key(self.how, self.spec)
        encoded = self._pictures(task.samples) if self.spec.fewest is None else self._clips(task.samples)
        if not encoded.rows:
            raise ValueError(f"no sample of the shard {task.name} can be read: {'; '.join(encoded.unreadable[:3])}")
        samples = [task.samples[row] for row in encoded.rows]
        moments = np.concatenate(encoded.moments)
        arrays = {
            "moments": moments.astype(np.float16),
            "names": np.array([sample.name.encode() for sample in samples]),
            "digests": np.frombuffer(b"".join(encoded.digests), np.uint8).reshape(-1, 32),
        }
        if not np.isfinite(arrays["moments"]).all():
            raise ValueError(f"the shard {task.name} has latents that are not finite in half precision")
        if task.labels is not None:
            arrays["labels"] = np.array([task.labels[row] for row in encoded.rows], dtype=np.int64)
        if self.text is not None:
            arrays["texts"], arrays["first"] = self._texts(samples, self.text)
        scaled = (moments[:, 0, 0].astype(np.float64) - self.spec.shift) * self.spec.scale
        facts = {
            "key": key,
            "name": task.name,
            "count": len(samples),
            "shape": list(moments.shape[3:]),
            "values": scaled.size,
            "sum": float(scaled.sum()),
            "squares": float((scaled**2).sum()),
            "roundtrip": float(np.mean(encoded.errors)) if encoded.errors else None,
            "unreadable": encoded.unreadable,
        }
        if self.spec.fewest is not None:
            lengths = [len(clip) for clip in encoded.moments]
            arrays["frames"] = np.cumsum([0, *lengths]).astype(np.int64)
            facts["shortest"] = min(lengths)
        return self.store.write(task.name, arrays, facts)

    def moments(self, pixels: np.ndarray) -> tuple[np.ndarray, float]:
        """Encode pixels, and measure some round trips.

        Args:
            pixels: uint8 (n, 3, H, W).

        Returns:
            Moments (n, views, 2, …), and the mean square of the round trips' errors.
        """
        moments, errors = [], []
        for start in range(0, len(pixels), self.spec.batch):
            pictures = from_uint8(torch.from_numpy(pixels[start : start + self.spec.batch]))
            views = [self.autoencoder.encode(pictures)]
            if self.spec.flips:
                views.append(self.autoencoder.encode(pictures.flip(-1)))
            moments.append(torch.stack(views, dim=1).numpy())
            if start < TRIED:
                back = self.autoencoder.decode(views[0][: TRIED - start, 0]).clamp(-1, 1)
                errors.append((back - pictures[: len(back)]).square().mean().item())
        return np.concatenate(moments), float(np.mean(errors))

    def _pictures(self, samples: Sequence[Sample]) -> EncodedShard:
        """Encode all pictures together; latents that come with samples are used unchanged."""
        encoded = EncodedShard()
        read: list[np.ndarray] = []
        for row, sample in enumerate(samples):
            try:
                array, digest = self._read(sample)
            except (UnreadablePictureError, OSError) as error:
                encoded.unreadable.append(_message(sample, error))
                continue
            read.append(array)
            encoded.digests.append(digest)
            encoded.rows.append(row)
        if read and self.spec.latents is None:
            moments, square = self.moments(np.stack(read))
            encoded.moments.append(moments)
            encoded.errors.append(square)
        elif read:
            encoded.moments.append(np.stack(read))
        return encoded

    def _clips(self, samples: Sequence[Sample]) -> EncodedShard:
        """Encode every frame of clips; one that is unreadable, too short or of varying rate is named and left out."""
        encoded = EncodedShard()
        for row, sample in enumerate(samples):
            try:
                pixels, digest = self._read(sample)
            except (UnreadablePictureError, OSError) as error:
                encoded.unreadable.append(_message(sample, error))
                continue
            moments, square = self.moments(pixels)
            encoded.moments.append(moments.astype(np.float16))
            encoded.errors.append(square)
            encoded.digests.append(digest)
            encoded.rows.append(row)
        return encoded

    def fault(self, sample: Sample) -> str:
        """Return the reason why a sample cannot be read; "" where it can."""
        try:
            self._read(sample)
        except (UnreadablePictureError, OSError) as error:
            return _message(sample, error)
        return ""

    def _read(self, sample: Sample) -> tuple[np.ndarray, bytes]:
        """Read one picture, one clip, or a latent that comes with its sample.

        Returns:
            Pixels uint8 (3, H, W) or (F, 3, H, W), or moments (1, 2, …); the SHA-256 of the picture or clip, zeros
            where there is none.
        """
        spec, place = self.spec, self.spec.content(sample)
        if spec.fewest is not None:
            clip = read_clip(place, spec.resolution, 3, fewest=spec.fewest, name=sample.name, filter=spec.filter)
            return clip, bytes.fromhex(digest_of(place.read()))
        content = place.read()
        if self.spec.latents is None:
            pixels = read_picture(content, self.spec.resolution, 3, name=sample.name, filter=self.spec.filter)
            return pixels, bytes.fromhex(digest_of(content))
        if not isinstance(content, np.ndarray) or content.dtype.kind != "f" or content.ndim not in (3, 4):
            raise UnreadablePictureError(
                f"{sample.name}: its latent is no floating-point array (C, H, W) or (T, C, H, W)"
            )
        mean = content.astype(np.float32)
        if self.spec.scaled:
            mean = mean / self.spec.scale + self.spec.shift
        digest = bytes(32) if sample.picture is None else bytes.fromhex(digest_of(sample.picture.read()))
        return np.stack((mean, np.full_like(mean, CERTAIN)))[None], digest

    def _texts(self, samples: Sequence[Sample], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return all captions' embeddings, float16 (m, tokens, width), and each sample's first, int64 (n + 1,)."""
        parts = []
        for sample in samples:
            if "captions" in sample.features:
                array = np.asarray(sample.features["captions"].read(), dtype=np.float32)
                parts.append(array[None] if array.ndim == 2 else array)
            else:
                parts.append(self.text_encoder.encode(sample.captions).numpy())
            if parts[-1].shape[1:] != shape or not len(parts[-1]):
                raise ValueError(
                    f"{sample.name}: its captions' embeddings are {parts[-1].shape}, not (captions, *{shape})"
                )
        first = np.cumsum([0, *map(len, parts)]).astype(np.int64)
        return np.concatenate(parts).astype(np.float16), first


def _message(sample: Sample, error: Exception) -> str:
    return str(error) if sample.name in str(error) else f"{sample.name}: {error}"


def _digest(content: Content) -> str:
    """Return the SHA-256 of a content; "" for one that can't be read, which is named when it is to be encoded."""
    try:
        return digest_of(content.read())
    except (OSError, ValueError):
        return ""
