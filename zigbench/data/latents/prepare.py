"""Pictures and captions to latents and embeddings on disk, shard by shard; what is done is not done again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.data.folder import class_names, held_out_by_content, refuse_too_many
from zigbench.data.formats.samples import MissingDataError, Sample, digest_of
from zigbench.data.latents import manifest
from zigbench.data.latents.encode import Encoder, EncodingSpec, EncodingTask, ShardFacts
from zigbench.data.latents.encode_clips import ClipEncoder
from zigbench.data.shards import read_facts, shard_name, strange, write_index
from zigbench.spec.files import sha256

THREADS = 8

SHARDS = 2
"""Raised when shards come to hold other arrays: those made before are made anew."""


@dataclass(frozen=True)
class Requirements:
    """What is to be prepared of a folder.

    Args:
        name: of the data set.
        classes: number of classes; None without labels.
        text: tokens and width of the captions' embeddings; None without.
        images: samples by split once complete; None where any number will do.
        held_out: share that is held out by content where neither the folder nor ``images`` tells.
        unreadable: share of the samples that may be unreadable.
        source: what to download by hand, for the error where something is missing.
        least, square: shorter side of the set's pictures in pixels, and whether they are square.
        manifest: of the set (see :mod:`zigbench.data.latents.manifest`); None for pictures of one's own.
    """

    name: str
    classes: int | None = None
    text: tuple[int, int] | None = None
    images: Mapping[str, int] | None = None
    held_out: float = 0.1
    unreadable: float = 0.001
    source: str = ""
    least: int = 0
    square: bool = False
    manifest: Path | None = None


@dataclass(frozen=True)
class Summary:
    """What was prepared.

    Attributes:
        counts: samples by split.
        unreadable: what could not be read, a message each.
        roundtrip: peak signal-to-noise ratio of decoded latents, in dB, over some samples of each shard; None where
            latents were taken as they were.
        deviation: of the scaled latents.
    """

    counts: dict[str, int]
    unreadable: list[str] = field(default_factory=list)
    roundtrip: float | None = None
    deviation: float = 0.0


def prepare_latents(
    order: EncodingSpec,
    wanted: Requirements,
    samples: list[Sample],
    out: Path,
    *,
    where: Path,
    processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Encode samples into ``out``; interrupted, the same call goes on with the first shard that is not whole.

    Args:
        order: how to encode.
        wanted: what to take of the folder.
        samples: as :func:`zigbench.data.formats.listing.list_samples` found them.
        out: where shards and index go.
        where: the folder they were found in.
        processes: that encode, each a shard at a time.
        on_progress: called with the samples done and their total.

    Raises:
        MissingDataError: the folder lacks samples, classes or captions, or holds others than those that the manifest
            was written of; lists what.
        ValueError: too many samples are unreadable, or the latents deviate as no scaled latents do.
    """
    _refuse_incomplete(samples, wanted, where)
    found = manifest.compare(wanted.manifest, samples, order.content, where) if wanted.manifest else None
    names = class_names(samples) if wanted.classes is not None else None
    numbers = {name: number for number, name in enumerate(names or ())}
    jobs = [
        EncodingTask(
            shard_name(split, number), part, tuple(numbers.get(str(s.label), -1) for s in part) if names else None
        )
        for split, chosen in _splits(samples, wanted, order).items()
        for number, part in enumerate(_cut(chosen, order.shard))
    ]
    total = sum(len(job.samples) for job in jobs)
    key = sha256(repr((SHARDS, order.identity(), wanted.text, names)))
    done = {job.name: made for job in jobs if (made := read_facts(out, job.name, job.key(key))) is not None}
    finished = sum(len(job.samples) for job in jobs if job.name in done)
    for job, made in _encode([job for job in jobs if job.name not in done], order, wanted.text, key, out, processes):
        done[job.name] = made
        finished += len(job.samples)
        if on_progress is not None:
            on_progress(finished, total)
    shards = [done[job.name] for job in jobs]
    unreadable = [message for shard in shards for message in shard["unreadable"]]
    what = "pictures" if order.fewest is None else "clips"
    refuse_too_many(unreadable, total, wanted.unreadable, where, what)
    pictures = str(Path(where).resolve()) if all(sample.picture is not None for sample in samples) else None
    summary = _conclude(order, wanted, out, shards, names, unreadable, pictures)
    if wanted.manifest is not None and found is not None:
        manifest.write(wanted.manifest, found)
    return summary


def _conclude(
    order: EncodingSpec,
    wanted: Requirements,
    out: Path,
    shards: list[ShardFacts],
    names: list[str] | None,
    unreadable: list[str],
    pictures: str | None,
) -> Summary:
    values = sum(shard["values"] for shard in shards)
    mean = sum(shard["sum"] for shard in shards) / values
    deviation = float(np.sqrt(max(0.0, sum(shard["squares"] for shard in shards) / values - mean**2)))
    if fault := strange(deviation, order.scale):
        raise ValueError(f"{fault}; latents that were scaled before are taken with --scaled")
    errors = [shard["roundtrip"] for shard in shards if shard["roundtrip"] is not None]
    roundtrip = float(-10 * np.log10(np.mean(errors) / 4 + 1e-12)) if errors else None
    splits = {
        split: [shard for shard in shards if shard["name"].rpartition("-")[0] == split]
        for split in ("train", "held-out")
    }
    told = {
        "name": wanted.name,
        "pictures": pictures,
        "resolution": order.resolution,
        "shape": shards[0]["shape"],
        "scale": order.scale,
        "shift": order.shift,
        "autoencoder": {"source": order.autoencoder, "sha256": order.autoencoder_sha256},
        "text": list(wanted.text) if wanted.text else None,
        "text_encoder": {"source": order.text, "sha256": order.text_sha256},
        "filter": order.filter,
        "classes": names,
        "mean": mean,
        "deviation": deviation,
        "roundtrip_db": roundtrip,
        "splits": splits,
    }
    if order.fewest is not None:
        told["shortest"] = min(shard["shortest"] for shard in shards)
    write_index(out, told)
    counts = {split: sum(shard["count"] for shard in part) for split, part in splits.items()}
    return Summary(counts, unreadable, roundtrip, deviation)


def _refuse_incomplete(samples: list[Sample], wanted: Requirements, where: object) -> None:
    """List everything that the folder lacks."""
    lacks = []
    if wanted.images is not None and len(samples) != sum(wanted.images.values()):
        lacks.append(f"it holds {len(samples):,} samples of {sum(wanted.images.values()):,}")
    if wanted.classes is not None:
        if bare := [sample.name for sample in samples if sample.label is None]:
            lacks.append(f"{len(bare):,} samples have no class, the first being {bare[0]}")
        elif len(names := class_names(samples)) != wanted.classes:
            lacks.append(f"it holds {len(names)} classes of {wanted.classes}")
    if wanted.text is not None:
        bare = [sample.name for sample in samples if not sample.captions and "captions" not in sample.features]
        if bare:
            lacks.append(f"{len(bare):,} samples have no caption, the first being {bare[0]}")
    for split, count in (wanted.images or {}).items():
        told = sum(sample.split == split for sample in samples)
        if any(sample.split for sample in samples) and told != count:
            lacks.append(f"its split {split!r} holds {told:,} samples of {count:,}")
    if wanted.least and (small := manifest.wrong_sizes(samples, wanted.least, wanted.square)):
        size = f"{wanted.least} pixels a side and square" if wanted.square else f"{wanted.least} pixels a side"
        some = ", ".join(small[: manifest.NAMED]) + (", …" if len(small) > manifest.NAMED else "")
        lacks.append(f"its pictures have at least {size}, but of a sample {some}")
    if lacks:
        needs = f" To be downloaded by hand: {wanted.source}" if wanted.source else ""
        raise MissingDataError(f"{where} is not all of {wanted.name}: {'; '.join(lacks)}.{needs}")


def _splits(samples: list[Sample], wanted: Requirements, order: EncodingSpec) -> dict[str, list[Sample]]:
    told = [sample.split for sample in samples]
    if "held-out" in told:
        held_out = np.array([split == "held-out" for split in told])
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            digests = list(pool.map(lambda sample: _digest(sample, order), samples))
        if wanted.images is None:
            held_out = held_out_by_content(digests, told, wanted.held_out)
        else:
            held_out = np.zeros(len(samples), bool)
            held_out[np.argsort(digests, kind="stable")[: wanted.images["held-out"]]] = True
    parts = {
        name: [sample for sample, out in zip(samples, held_out, strict=True) if out == (name == "held-out")]
        for name in ("train", "held-out")
    }
    for name, part in parts.items():
        if not part:
            raise ValueError(f"no sample is left for the split {name!r} of {len(samples)}")
    return parts


def _digest(sample: Sample, order: EncodingSpec) -> str:
    try:
        return digest_of(order.content(sample).read())
    except OSError:  # It is named and counted when it is to be encoded.
        return digest_of(sample.name.encode())


def _cut(samples: list[Sample], size: int) -> Iterator[tuple[Sample, ...]]:
    for start in range(0, len(samples), size):
        yield tuple(samples[start : start + size])


def _encode(
    jobs: list[EncodingTask], order: EncodingSpec, text: tuple[int, int] | None, key: str, out: Path, processes: int
) -> Iterator[tuple[EncodingTask, ShardFacts]]:
    """The facts of each job's shard, as they are done."""
    if processes <= 1 or len(jobs) <= 1:
        encoder = _encoder(order)(order, text, key, out)
        for job in jobs:
            yield job, encoder(job)
        return
    context = multiprocessing.get_context("spawn")
    ranks = context.Value("i", 0)
    with ProcessPoolExecutor(
        min(processes, len(jobs)), context, _enter, (ranks, processes, order, text, key, out)
    ) as pool:
        futures = {pool.submit(_work, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _encoder(order: EncodingSpec) -> type[Encoder]:
    return Encoder if order.fewest is None else ClipEncoder


_encoders: list[Encoder] = []
"""The encoder of a worker process, made as it starts."""


def _enter(ranks: Any, processes: int, order: EncodingSpec, text: tuple[int, int] | None, key: str, out: Path) -> None:
    with ranks.get_lock():
        rank, ranks.value = ranks.value, ranks.value + 1
    _encoders.append(_encoder(order)(order, text, key, out, rank=rank, world=processes))


def _work(job: EncodingTask) -> ShardFacts:
    return _encoders[0](job)
