"""Prepare a registered data set of latents: what its config says, with the models and samples that are at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from zigbench.data.builtin.folders import LatentFolderConfig
from zigbench.data.config import LatentsConfig
from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.pictures import Filter
from zigbench.data.formats.samples import Sample
from zigbench.data.formats.video import list_clips
from zigbench.data.latents.autoencoder import CLIP, VAE, Autoencoder, TextEncoder
from zigbench.data.latents.dataset import SCALE
from zigbench.data.latents.encode import EncodingSpec
from zigbench.data.latents.encode_clips import SHARD as CLIPS
from zigbench.data.latents.prepare import Requirements, Summary, prepare_latents
from zigbench.spec import registry

WITH_TEXTS = 128
"""Samples in a shard that holds captions' embeddings, which are far larger than latents."""


@dataclass(frozen=True)
class PrepareOptions:
    """What whoever prepares may choose.

    Args:
        resolution: side of the pictures; None for the recipe's own.
        to: where to write; None for the recipe's folder.
        vae: autoencoder, by folder or cached name.
        text: text encoder, likewise; None for the published one where the recipe has captions.
        pooled: keep captions' one pooled embedding.
        classes: of one's own folder; None without labels.
        flips: keep a second view, flipped.
        filter: of the resizing.
        encoded: take the latents and embeddings that shards come with.
        scaled: those latents were scaled already.
        unreadable: share of samples that may be unreadable.
        processes: that encode.
        frames: fewest of a clip, where one's own samples are clips; None where they are pictures.
        official_split: which of the divisions that the set's authors publish; None for the first.
    """

    resolution: int | None = None
    to: Path | None = None
    vae: str = VAE
    text: str | None = None
    pooled: bool = False
    classes: int | None = None
    flips: bool = True
    filter: Filter = "lanczos"
    encoded: bool = False
    scaled: bool = False
    unreadable: float = 0.001
    processes: int = 1
    frames: int | None = None
    official_split: int | None = None


def prepare_data_set(
    name: str, source: Path, choices: PrepareOptions, on_progress: Callable[[int, int], None] | None = None
) -> tuple[Path, Summary]:
    """Prepare the data set called ``name`` from a folder.

    Returns:
        Where it lies, and what was prepared.

    Raises:
        ValueError: a name that has no latents, choices that its recipe excludes, a folder that lacks something.
    """
    plugin = registry.data.get(name)
    if plugin is LatentFolderConfig:
        if choices.resolution is None or choices.to is None:
            raise ValueError("latents of your own pictures need --resolution and --to")
        config = None
        out, resolution, with_text = choices.to, choices.resolution, choices.text is not None
    elif issubclass(plugin, LatentsConfig):
        asked = {key: getattr(choices, key) for key in ("resolution", "classes", "frames", "official_split")}
        config = _config(name, plugin, {key: value for key, value in asked.items() if value is not None})
        out, resolution, with_text = choices.to or config.folder, config.resolution, config.text
    else:
        raise ValueError(f"{name} is trained on as it is; there is nothing to prepare")
    if not with_text and (choices.text is not None or choices.pooled):
        raise ValueError(f"--text and --pooled are of captions, and {name} is prepared without any")
    fewest = choices.frames if config is None else config.geometry(1).frames
    if config is not None:
        samples = config.samples(source)
    else:
        samples = list_samples(source) if fewest is None else list_clips(source)
    latents = _latents_of(samples, resolution, source) if choices.encoded else None
    told: dict[str, Any] = {
        "latents": latents,
        "flips": choices.flips and latents is None,
        "scale": SCALE,
        "autoencoder": choices.vae,
    }
    if latents is None:
        loaded = Autoencoder.load(choices.vae, "cpu")
        told |= {"scale": loaded.scale, "shift": loaded.shift, "autoencoder": loaded.source,
                "autoencoder_sha256": loaded.sha256}  # fmt: skip
        if resolution % loaded.downsampling:
            raise ValueError(f"{choices.vae} takes sides that are multiples of {loaded.downsampling}, not {resolution}")
        if config is not None and abs(loaded.scale - SCALE) > 1e-6:
            raise ValueError(f"{choices.vae} has the scale {loaded.scale:g}; {name} is of one with the scale {SCALE:g}")
    shape = None
    if choices.encoded and all("captions" in sample.features for sample in samples):
        found = np.asarray(samples[0].features["captions"].read())
        shape = (int(found.shape[-2]), int(found.shape[-1]))
    elif with_text:
        text = TextEncoder.load(choices.text or CLIP, pooled=choices.pooled, device="cpu")
        shape = (text.tokens, text.width)
        told |= {"text": text.source, "text_sha256": text.sha256, "pooled": choices.pooled}
    if with_text and config is not None and shape != config.geometry(1).context:
        raise ValueError(
            f"{name} has captions of {_by(config.geometry(1).context)} (tokens × width), and what was asked for gives "
            f"{_by(shape)}: leave out --pooled, and name {CLIP} or a text encoder of its shape by --text"
        )
    if shape is not None:
        told["shard"] = WITH_TEXTS
    if fewest is not None and latents is None:
        told |= {"shard": CLIPS, "fewest": fewest}
    order = EncodingSpec(resolution, scaled=choices.scaled, filter=choices.filter, **told)
    wanted = Requirements(
        name,
        classes=choices.classes if config is None else config.classes,
        text=shape,
        images=None if config is None else config.counts,
        unreadable=choices.unreadable,
        source="" if config is None else config.source,
        least=0 if config is None else config.least,
        square=config is not None and config.square,
        manifest=None if config is None else out.parent / f"{name}-{latents or 'pictures'}.json",
    )
    return out, prepare_latents(
        order, wanted, samples, out, where=source, processes=choices.processes, on_progress=on_progress
    )


def _config(name: str, plugin: type[LatentsConfig], asked: dict[str, Any]) -> LatentsConfig:
    """A recipe's config; what it refuses is told by the option's name."""
    try:
        return plugin(**asked)
    except ValidationError as error:
        told = [
            f"--{str(fault['loc'][0]).replace('_', '-')} {fault['input']}: "
            + (f"{name} takes none" if fault["type"] == "extra_forbidden" else fault["msg"])
            for fault in error.errors()
        ]
        raise ValueError("; ".join(told)) from None


def _by(shape: tuple[int, int] | None) -> str:
    return "×".join(map(str, shape or ()))


def _latents_of(samples: list[Sample], resolution: int, source: Path) -> str:
    """The part of the samples that holds their latents at this resolution."""
    held = set.intersection(*(set(sample.features) for sample in samples))
    for part in (f"img_feature{resolution}", f"frame_feature{resolution}", "latent"):
        if part in held:
            return part
    raise ValueError(
        f"{source}: not all samples come with latents at {resolution} pixels; they all have {', '.join(held) or 'none'}"
    )
