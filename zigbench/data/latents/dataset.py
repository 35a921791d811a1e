"""Prepared latents as a data set: read from memory-mapped shards, decoded back to pictures for the metrics."""

from __future__ import annotations

import os
from functools import cached_property

from torch import Tensor

from zigbench.data.config import PreparedConfig
from zigbench.data.latents.autoencoder import Autoencoder
from zigbench.data.latents.index import differences, read_index, scale_fault
from zigbench.data.latents.originals import Originals, open_originals
from zigbench.data.latents.split import LatentSplit
from zigbench.data.shards import DamagedDataError, ShardStore
from zigbench.data.split import Split, choose

AUTOENCODER = "ZIGBENCH_VAE"
"""Environment variable that names the autoencoder's folder, if it was moved after the latents were made."""


class Latents:
    """Latents of unit scale, (z − shift)·scale of the autoencoder's posterior mean.

    Args:
        config: of a recipe, or of a user's folder.

    Raises:
        MissingDataError: nothing is prepared; the message says what to download by hand and the command that prepares
            it.
        DamagedDataError: files missing, cut short or altered; other counts, shapes, classes or texts than the config's;
            latents of another autoencoder.
    """

    def __init__(self, config: PreparedConfig) -> None:
        self.config = config
        self.folder = config.folder
        self.index = read_index(self.folder, config.how_to_prepare())
        faults = list(differences(config, self.index))
        if faults:
            raise DamagedDataError(f"{self.folder}: {'; '.join(faults)}")
        geometry = config.geometry(1)
        store = ShardStore(self.folder)
        self.splits: dict[str, Split] = {
            name: LatentSplit(
                store,
                shards,
                name=str(self.index["name"]),
                scale=self.index["scale"],
                shift=self.index["shift"],
                labelled=geometry.classes is not None,
                text=geometry.context is not None,
                posterior=config.draws_posterior,
                frames=geometry.frames if "shortest" in self.index else None,
            )
            for name, shards in self.index["splits"].items()
        }
        self._refuse_strange_values()

    def split(self, split: str) -> Split:
        """Return the split ``train`` or ``held-out``.

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)

    def originals(self, split: str) -> Originals:
        """Return the pictures that the latents of ``split`` were made of.

        Raises:
            MissingDataError: they are missing; the message says what to do.
            ValueError: there is no such split.
        """
        choose(self.splits, split)
        return open_originals(self.folder, self.index, split, self.config.geometry(1).frames)

    @property
    def unreadable(self) -> list[str]:
        """A message for each sample that could not be read when the latents were prepared."""
        return [message for shards in self.index["splits"].values() for s in shards for message in s["unreadable"]]

    def _refuse_strange_values(self) -> None:
        """Compare a few latents with the statistics that were recorded, and those with unit scale."""
        split = self.splits["train"]
        x = split.batch(range(0, len(split), max(1, len(split) // 64))).x
        deviation = self.index["deviation"]
        if fault := scale_fault(deviation, self.index["scale"]):
            raise DamagedDataError(f"{self.folder}: {fault}")
        here = x.std().item() if x.isfinite().all() else float("nan")
        if not 0.5 < here / deviation < 2:
            raise DamagedDataError(
                f"{self.folder}: some latents deviate by {here:.3g} where {deviation:.3g} was recorded: "
                "the shards are not those that the index describes"
            )

    @cached_property
    def _autoencoder(self) -> Autoencoder:
        stated = self.index["autoencoder"]
        loaded = Autoencoder.load(os.environ.get(AUTOENCODER) or stated["source"])
        if stated["sha256"] is not None and loaded.sha256 != stated["sha256"]:
            raise DamagedDataError(
                f"{self.folder} was encoded by an autoencoder with weights {stated['sha256'][:12]}…; "
                f"{loaded.source} has {loaded.sha256[:12]}…: name the right one in ${AUTOENCODER}"
            )
        return loaded

    @property
    def decoder(self) -> str:
        """The autoencoder that :meth:`decode` uses, in words.

        Raises:
            ValueError: the autoencoder is not here or is another one; names the places searched.
        """
        return f"AutoencoderKL {self._autoencoder.sha256[:16]}, scale {self.index['scale']:g}"

    def decode(self, x: Tensor) -> Tensor:
        """Decode scaled latents to pictures, (B, C, H, W) → (B, 3, 8H, 8W) in about [-1, 1], on the device of ``x``.

        Clips, (B, T, C, H, W), come as clips.
        """
        z = x.reshape(-1, *x.shape[-3:]) / self.index["scale"] + self.index["shift"]
        pictures = self._autoencoder.decode(z)
        return pictures.reshape(*x.shape[:-3], *pictures.shape[1:])
