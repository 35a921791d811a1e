"""Speed of latents from a warm memory map, on one core; the aim is 20,000 a second."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zigbench.data.latents.split import LatentSplit
from zigbench.data.shards import ShardStore
from zigbench.data.split import AugmentationKey

SHARDS, COUNT, BATCH = 4, 512, 160


@pytest.mark.parametrize("how", ["batch", "visit", "posterior"])
def test_latents_of_256_pixels(benchmark, tmp_path, how):
    generator = np.random.default_rng(0)
    store, facts = ShardStore(tmp_path), []
    for number in range(SHARDS):
        moments = generator.standard_normal((COUNT, 2, 2, 4, 32, 32), np.float32).astype(np.float16)
        name = f"train-{number:05d}"
        facts.append(store.write(name, {"moments": moments}, {"name": name, "count": COUNT}))
    split = LatentSplit(store, facts, name="noise", scale=1.0, posterior=how == "posterior")
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:BATCH]
    indices = order if how == "batch" else AugmentationKey(order, 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    read = benchmark(split.batch, indices)
    torch.set_num_threads(threads)
    assert read.x.shape == (BATCH, 4, 32, 32)
    if benchmark.stats is not None:
        benchmark.extra_info["latents_per_second"] = round(BATCH / benchmark.stats.stats.median)
