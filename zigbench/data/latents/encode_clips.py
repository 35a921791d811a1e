"""One shard of clips to arrays: every frame through the autoencoder, one clip after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zigbench.data.formats.pictures import UnreadablePictureError
from zigbench.data.formats.samples import Sample, digest_of
from zigbench.data.formats.video import read_clip
from zigbench.data.latents.encode import EncodedShard, Encoder

SHARD = 16
"""Clips in a shard: some thousand frames."""


class ClipEncoder(Encoder):
    """Makes shards of clips: ``moments`` has a row a frame, ``frames`` says where each clip begins.

    A clip that can't be read, is too short or whose rate varies is named and left out, like an unreadable picture.
    """

    def _encoded(self, samples: Sequence[Sample]) -> EncodedShard:
        order = self.order
        assert order.fewest is not None
        parts, digests, kept, unreadable, errors = [], [], [], [], []
        for row, sample in enumerate(samples):
            try:
                content = order.content(sample)
                pixels = read_clip(
                    content, order.resolution, 3, fewest=order.fewest, name=sample.name, filter=order.filter
                )
                digests.append(bytes.fromhex(digest_of(content.read())))
            except (UnreadablePictureError, OSError) as error:
                unreadable.append(str(error) if sample.name in str(error) else f"{sample.name}: {error}")
                continue
            moments, square = self.moments(pixels)
            parts.append(moments.astype(np.float16))
            errors.append(square)
            kept.append(row)
        if not kept:
            return EncodedShard(np.empty(0), digests, kept, unreadable)
        lengths = [len(part) for part in parts]
        return EncodedShard(np.concatenate(parts), digests, kept, unreadable, float(np.mean(errors)), lengths)
