"""Preparation of a registered data set of latents: the settings of its config, with the models and samples here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from zigbench.data.builtin.folders import LatentFolderConfig
from zigbench.data.config import AUTOENCODERS, SCALE, LatentsConfig
from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.pictures import Filter
from zigbench.data.formats.samples import UNREADABLE, Sample, printable
from zigbench.data.formats.video import list_clips
from zigbench.data.latents.autoencoder import CLIP, VAE, Autoencoder, TextEncoder
from zigbench.data.latents.encode import CLIPS, EncodingSpec
from zigbench.data.latents.prepare import Requirements, Summary, prepare_latents
from zigbench.spec import registry

WITH_TEXTS = 128
"""Samples in a shard that holds captions' embeddings, which are far larger than latents."""

RECIPE_OPTIONS = ("resolution", "classes", "frames", "official_split", "autoencoder")
"""Options that a recipe's config takes, where it has them."""


@dataclass(frozen=True)
class PrepareOptions:
    """Options of a preparation.

    Args:
        resolution: side of the pictures; None for the recipe's own.
        to: where to write; None for the recipe's folder.
        vae: autoencoder, by folder or cached name; None for the recipe's own, or the one most used.
        text: text encoder, likewise; None for the published one where the recipe has captions.
        pooled: keep captions' one pooled embedding.
        classes: of a user's folder; None without labels.
        flips: keep a second view, flipped.
        filter: of the resizing.
        encoded: take the latents and embeddings that shards come with.
        scaled: those latents were scaled already.
        unreadable: share of samples that may be unreadable.
        processes: that encode.
        frames: fewest of a clip, where one's own samples are clips; None where they are pictures.
        official_split: which of the divisions that the set's authors publish, or "all" for none; None for the first.
        autoencoder: of a recipe, one of those that the published networks were trained with; None for its first.
    """

    resolution: int | None = None
    to: Path | None = None
    vae: str | None = None
    text: str | None = None
    pooled: bool = False
    classes: int | None = None
    flips: bool = True
    filter: Filter = "lanczos"
    encoded: bool = False
    scaled: bool = False
    unreadable: float = UNREADABLE
    processes: int = 1
    frames: int | None = None
    official_split: int | str | None = None
    autoencoder: str | None = None


def prepare_data_set(
    name: str, source: Path, options: PrepareOptions, on_progress: Callable[[int, int], None] | None = None
) -> tuple[Path, Summary]:
    """Prepare the data set called ``name`` from a folder.

    Returns:
        The folder of the latents, and the outcome.

    Raises:
        ValueError: a name that has no latents, options that its recipe excludes, a folder that lacks something.
    """
    config = _recipe(name, options)
    if config is None:
        if options.resolution is None or options.to is None:
            raise ValueError("latents of your own pictures need --resolution and --to")
        out, resolution, with_text, fewest = options.to, options.resolution, options.text is not None, options.frames
        samples = list_samples(source) if fewest is None else list_clips(source)
        required = Requirements(name, classes=options.classes, unreadable=options.unreadable)
    else:
        out, resolution, with_text = options.to or config.folder, config.resolution, config.text
        fewest = config.geometry(1).frames
        samples = config.samples(source)
        required = Requirements(
            name,
            classes=config.classes,
            images=config.counts,
            unreadable=options.unreadable,
            source=config.source,
            least=config.least,
            square=config.square,
        )
    if not with_text and (options.text is not None or options.pooled):
        raise ValueError(f"--text and --pooled are of captions, and {name} is prepared without any")
    options = replace(options, vae=options.vae or (VAE if config is None else AUTOENCODERS[config.autoencoder]))
    latents = _latents_of(samples, resolution, source) if options.encoded else None
    how: dict[str, Any] = {"latents": latents, "flips": options.flips and latents is None}
    how |= {"scale": SCALE, "autoencoder": options.vae} if latents else _autoencoder(name, config, resolution, options)
    shape = None
    if options.encoded and all("captions" in sample.features for sample in samples):
        shape = np.asarray(samples[0].features["captions"].read()).shape[-2:]
    elif with_text:
        text = TextEncoder.load(options.text or CLIP, pooled=options.pooled, device="cpu")
        shape = (text.tokens, text.width)
        how |= {"text": text.source, "text_sha256": text.sha256, "pooled": options.pooled}
    if with_text and config is not None and shape != config.geometry(1).context:
        raise ValueError(
            f"{name} has captions of {_by(config.geometry(1).context)} (tokens × width), and these options give "
            f"{_by(shape)}: leave out --pooled, and name {CLIP} or a text encoder of its shape by --text"
        )
    if shape is not None:
        how["shard"] = WITH_TEXTS
    if fewest is not None and latents is None:
        how |= {"shard": CLIPS, "fewest": fewest}
    spec = EncodingSpec(resolution, scaled=options.scaled, filter=options.filter, **how)
    manifest = None if config is None else out.parent / f"{name}-{latents or 'pictures'}.json"
    required = replace(required, text=shape, manifest=manifest)
    summary = prepare_latents(
        spec, required, samples, out, where=source, processes=options.processes, on_progress=on_progress
    )
    return out, summary


def _recipe(name: str, options: PrepareOptions) -> LatentsConfig | None:
    """Return a recipe's config; None for latents of a user's pictures. Errors name options as they were given."""
    plugin = registry.data.get(name)
    if plugin is LatentFolderConfig:
        return None
    if not issubclass(plugin, LatentsConfig):
        raise ValueError(f"{name} is trained on as it is; there is nothing to prepare")
    given = {key: value for key in RECIPE_OPTIONS if (value := getattr(options, key)) is not None}
    try:
        config: LatentsConfig = plugin(**given)
    except ValidationError as error:
        faults = [
            f"--{str(fault['loc'][0]).replace('_', '-')} {fault['input']}: "
            + (f"{name} takes none" if fault["type"] == "extra_forbidden" else fault["msg"])
            for fault in error.errors()
        ]
        raise ValueError("; ".join(faults)) from None
    return config


def _autoencoder(name: str, config: LatentsConfig | None, resolution: int, options: PrepareOptions) -> dict[str, Any]:
    """Return what the encoding takes from the autoencoder, once loaded and checked."""
    loaded = Autoencoder.load(options.vae or VAE, "cpu")
    if resolution % loaded.downsampling:
        raise ValueError(f"{options.vae} takes sides that are multiples of {loaded.downsampling}, not {resolution}")
    if config is not None and abs(loaded.scale - SCALE) > 1e-6:
        raise ValueError(f"{options.vae} has the scale {loaded.scale:g}; {name} is of one with the scale {SCALE:g}")
    return {
        "scale": loaded.scale,
        "shift": loaded.shift,
        "autoencoder": loaded.source,
        "autoencoder_sha256": loaded.sha256,
    }


def _by(shape: tuple[int, ...] | None) -> str:
    return "×".join(map(str, shape or ()))


def _latents_of(samples: list[Sample], resolution: int, source: Path) -> str:
    """Return the part of the samples that holds their latents at this resolution."""
    common = set.intersection(*(set(sample.features) for sample in samples))
    for part in (f"img_feature{resolution}", f"frame_feature{resolution}", "latent"):
        if part in common:
            return part
    raise ValueError(
        f"{printable(source)}: not all samples come with latents at {resolution} pixels; they all have "
        f"{', '.join(sorted(common)) or 'none'}"
    )
