"""What to do where prepared data are missing. Never imports torch: planning says it too."""

from __future__ import annotations

from typing import Any

INDEX = "index.json"
"""Name of the file that makes prepared data complete."""


def how_to_prepare(config: Any) -> str:
    """What to say where latents are missing: what they are, where the pictures come from, the command."""
    if not hasattr(config, "source"):
        command = f"zigbench prepare latents --from PICTURES --to {config.folder} --resolution {config.resolution}"
        return f"no latents in {config.folder}; prepare them: {command}"
    images = " and ".join(f"{count:,} {split}" for split, count in config.counts.items())
    what = "clips" if config.clips else "images"
    wanted = f"{what} with captions" if config.text else f"{what} of known class" if config.classes else what
    split = getattr(config, "official_split", 1)
    return (
        f"no latents of {config.name} at {config.resolution} pixels in {config.folder}. To be downloaded by hand: "
        f"{config.source} ({images} {wanted}). Then: zigbench prepare {config.name} --from FOLDER "
        f"--resolution {config.resolution}" + (f" --official-split {split}" if split != 1 else "")
    )


def missing(config: Any) -> str:
    """How to prepare a data set that is not on this machine yet; "" where it is, or needs no preparing."""
    folder = getattr(config, "folder", None)
    return "" if folder is None or (folder / INDEX).exists() else how_to_prepare(config)
