"""The preparation of latents and embeddings on disk, shard by shard; finished, unchanged shards are not repeated."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.data.formats.classes import class_names, class_numbers, describe
from zigbench.data.formats.samples import (
    NAMED,
    UNREADABLE,
    MissingDataError,
    Sample,
    digest_of,
    held_out_by_content,
    printable,
    refuse_too_many,
)
from zigbench.data.latents import manifest
from zigbench.data.latents.encode import Encoder, EncodingSpec, EncodingTask, ShardFacts
from zigbench.data.latents.index import scale_fault, shard_name, write_index
from zigbench.data.shards import ShardStore
from zigbench.spec.files import sha256

THREADS = 8

SHARDS = 3
"""Increased when the arrays of shards or the meaning of their keys change: older shards are then made anew."""


@dataclass(frozen=True)
class Requirements:
    """The required contents of a folder of samples.

    Args:
        name: of the data set.
        classes: number of classes; None without labels.
        text: tokens and width of the captions' embeddings; None without.
        images: samples by split once complete; None where any number will do.
        held_out: share that is held out by content where neither the folder nor ``images`` states a split.
        unreadable: share of the samples that may be unreadable.
        source: the files to download by hand, for the error message about missing ones.
        least, square: shorter side of the set's pictures in pixels, and whether they are square.
        manifest: of the set (see :mod:`zigbench.data.latents.manifest`); None for a user's own pictures.
    """

    name: str
    classes: int | None = None
    text: tuple[int, int] | None = None
    images: Mapping[str, int] | None = None
    held_out: float = 0.1
    unreadable: float = UNREADABLE
    source: str = ""
    least: int = 0
    square: bool = False
    manifest: Path | None = None


@dataclass(frozen=True)
class Summary:
    """The outcome of a preparation.

    Attributes:
        counts: samples by split.
        unreadable: a message for each sample that could not be read.
        roundtrip: peak signal-to-noise ratio of decoded latents, in dB, over some samples of each shard; None if
            latents were used unchanged.
        deviation: of the scaled latents.
    """

    counts: dict[str, int]
    unreadable: list[str] = field(default_factory=list)
    roundtrip: float | None = None
    deviation: float = 0.0


def prepare_latents(
    spec: EncodingSpec,
    required: Requirements,
    samples: list[Sample],
    out: Path,
    *,
    where: Path,
    processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Encode samples into ``out``; after an interrupt the same call continues with the first incomplete shard.

    An existing shard is kept if its samples still have the contents that it was made of, which are read again; shards
    of changed samples are made anew.

    Args:
        spec: settings of the encoding.
        required: required contents of the folder.
        samples: as :func:`zigbench.data.formats.listing.list_samples` returns them.
        out: folder of shards and index.
        where: the folder of the samples.
        processes: number of processes, each of which encodes a shard at a time.
        on_progress: called with the samples done and their total.

    Raises:
        MissingDataError: samples, classes or captions are missing, or differ from those in the manifest; the message
            lists them.
        ValueError: too many samples are unreadable, or the deviation of the latents is implausible.
    """
    _refuse_incomplete(samples, required, where)
    facts = manifest.compare(required.manifest, samples, spec.content, where) if required.manifest else None
    names = class_names(samples) if required.classes is not None else None
    how = sha256(repr((SHARDS, spec.identity(), required.text, names)))
    labels = class_numbers(samples, required.classes, printable(where))
    numbers = None if labels is None else dict(zip((s.name for s in samples), labels.tolist(), strict=True))
    tasks = [
        EncodingTask(shard_name(split, number), part, None if numbers is None else tuple(numbers[s.name] for s in part))
        for split, chosen in _splits(samples, required, spec).items()
        for number, part in enumerate(_cut(chosen, spec.shard))
    ]
    total = sum(len(task.samples) for task in tasks)
    done = _finished(tasks, how, spec, out)
    finished = sum(len(task.samples) for task in tasks if task.name in done)
    todo = [task for task in tasks if task.name not in done]
    what = "pictures" if spec.fewest is None else "clips"
    if on_progress is not None:
        on_progress(finished, total)
    # Before the first is encoded, which takes far longer than reading all of them.
    unreadable = [message for shard in done.values() for message in shard["unreadable"]]
    unreadable += _unreadable(todo, Encoder(spec, required.text, how, out))
    refuse_too_many(unreadable, total, required.unreadable, printable(where), what)
    for task, shard in _encode(todo, spec, required.text, how, out, processes):
        done[task.name] = shard
        finished += len(task.samples)
        if on_progress is not None:
            on_progress(finished, total)
    shards = [done[task.name] for task in tasks]
    unreadable = [message for shard in shards for message in shard["unreadable"]]
    refuse_too_many(unreadable, total, required.unreadable, printable(where), what)
    pictures = str(Path(where).resolve()) if all(sample.picture is not None for sample in samples) else None
    summary = _conclude(spec, required, out, shards, names, unreadable, pictures)
    if required.manifest is not None and facts is not None:
        manifest.write(required.manifest, facts)
    return summary


def _unreadable(tasks: list[EncodingTask], encoder: Encoder) -> list[str]:
    """Return a message for each sample of the tasks that cannot be read."""
    with ThreadPoolExecutor(THREADS) as pool:
        messages = pool.map(encoder.fault, (sample for task in tasks for sample in task.samples))
        return [message for message in messages if message]


def _conclude(
    spec: EncodingSpec,
    required: Requirements,
    out: Path,
    shards: list[ShardFacts],
    names: list[str] | None,
    unreadable: list[str],
    pictures: str | None,
) -> Summary:
    """Write the index, and return the summary."""
    values = sum(shard["values"] for shard in shards)
    mean = sum(shard["sum"] for shard in shards) / values
    deviation = float(np.sqrt(max(0.0, sum(shard["squares"] for shard in shards) / values - mean**2)))
    if fault := scale_fault(deviation, spec.scale):
        raise ValueError(f"{fault}; use --scaled for latents that are already scaled")
    errors = [shard["roundtrip"] for shard in shards if shard["roundtrip"] is not None]
    roundtrip = float(-10 * np.log10(np.mean(errors) / 4 + 1e-12)) if errors else None
    splits = {
        split: [shard for shard in shards if shard["name"].rpartition("-")[0] == split]
        for split in ("train", "held-out")
    }
    index = {
        "name": required.name,
        "pictures": pictures,
        "resolution": spec.resolution,
        "shape": shards[0]["shape"],
        "scale": spec.scale,
        "shift": spec.shift,
        "autoencoder": {"source": spec.autoencoder, "sha256": spec.autoencoder_sha256},
        "text": list(required.text) if required.text else None,
        "text_encoder": {"source": spec.text, "sha256": spec.text_sha256},
        "filter": spec.filter,
        "classes": names,
        "mean": mean,
        "deviation": deviation,
        "roundtrip_db": roundtrip,
        "splits": splits,
    }
    if spec.fewest is not None:
        index["shortest"] = min(shard["shortest"] for shard in shards)
    write_index(out, index)
    counts = {split: sum(shard["count"] for shard in part) for split, part in splits.items()}
    return Summary(counts, unreadable, roundtrip, deviation)


def _refuse_incomplete(samples: list[Sample], required: Requirements, where: Path) -> None:
    """Raise MissingDataError with everything that is missing in the folder."""
    missing = []
    if required.images is not None and len(samples) != sum(required.images.values()):
        missing.append(f"it holds {len(samples):,} samples of {sum(required.images.values()):,}")
    if required.classes is not None:
        if bare := [sample.name for sample in samples if sample.label is None]:
            missing.append(f"{len(bare):,} samples have no class, the first being {bare[0]}")
        elif len(class_names(samples)) != required.classes:
            missing.append(f"it holds {describe(samples)} of {required.classes}")
    if required.text is not None:
        bare = [sample.name for sample in samples if not sample.captions and "captions" not in sample.features]
        if bare:
            missing.append(f"{len(bare):,} samples have no caption, the first being {bare[0]}")
    for split, count in (required.images or {}).items():
        stated = sum(sample.split == split for sample in samples)
        if any(sample.split for sample in samples) and stated != count:
            missing.append(f"its split {split!r} holds {stated:,} samples of {count:,}")
    if required.least and (small := manifest.wrong_sizes(samples, required.least, required.square)):
        size = f"{required.least} pixels a side" + (" and square" if required.square else "")
        some = ", ".join(small[:NAMED]) + (", …" if len(small) > NAMED else "")
        missing.append(f"its pictures have at least {size}, but of a sample {some}")
    if missing:
        needs = f" To be downloaded by hand: {required.source}" if required.source else ""
        raise MissingDataError(f"{printable(where)} is not all of {required.name}: {'; '.join(missing)}.{needs}")


def _splits(samples: list[Sample], required: Requirements, spec: EncodingSpec) -> dict[str, list[Sample]]:
    stated = [sample.split for sample in samples]
    if "held-out" in stated:
        held_out = np.array([split == "held-out" for split in stated])
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            digests = list(pool.map(lambda sample: _digest(sample, spec), samples))
        if required.images is None:
            held_out = held_out_by_content(digests, stated, required.held_out)
        else:
            held_out = np.zeros(len(samples), bool)
            held_out[np.argsort(digests, kind="stable")[: required.images["held-out"]]] = True
    parts = {
        name: [sample for sample, out in zip(samples, held_out, strict=True) if out == (name == "held-out")]
        for name in ("train", "held-out")
    }
    for name, part in parts.items():
        if not part:
            raise ValueError(f"no sample is left for the split {name!r} of {len(samples)}")
    return parts


def _digest(sample: Sample, spec: EncodingSpec) -> str:
    try:
        return digest_of(spec.content(sample).read())
    except OSError:  # It is named and counted when it is to be encoded.
        return digest_of(sample.name.encode())


def _cut(samples: list[Sample], size: int) -> Iterator[tuple[Sample, ...]]:
    for start in range(0, len(samples), size):
        yield tuple(samples[start : start + size])


def _finished(tasks: list[EncodingTask], how: str, spec: EncodingSpec, out: Path) -> dict[str, ShardFacts]:
    """Return the facts of the shards that are whole, and whose samples have the contents that they were made of."""
    store = ShardStore(out)
    begun = [task for task in tasks if store.exists(task.name)]
    with ThreadPoolExecutor(THREADS) as pool:
        facts = pool.map(lambda task: store.read(task.name, task.key(how, spec)), begun)
        return {task.name: shard for task, shard in zip(begun, facts, strict=True) if shard is not None}


def _encode(
    tasks: list[EncodingTask], spec: EncodingSpec, text: tuple[int, int] | None, how: str, out: Path, processes: int
) -> Iterator[tuple[EncodingTask, ShardFacts]]:
    """Yield the facts of each task's shard, as they are done."""
    if processes <= 1 or len(tasks) <= 1:
        encoder = Encoder(spec, text, how, out)
        for task in tasks:
            yield task, encoder(task)
        return
    context = multiprocessing.get_context("spawn")
    ranks = context.Value("i", 0)
    with ProcessPoolExecutor(
        min(processes, len(tasks)), context, _start, (ranks, processes, spec, text, how, out)
    ) as pool:
        futures = {pool.submit(_work, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


_encoders: list[Encoder] = []
"""The encoder of a worker process, made as it starts."""


def _start(ranks: Any, processes: int, spec: EncodingSpec, text: tuple[int, int] | None, how: str, out: Path) -> None:
    with ranks.get_lock():
        rank, ranks.value = ranks.value, ranks.value + 1
    _encoders.append(Encoder(spec, text, how, out, rank=rank, world=processes))


def _work(task: EncodingTask) -> ShardFacts:
    return _encoders[0](task)
