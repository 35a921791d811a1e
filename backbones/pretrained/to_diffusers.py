"""DiT as a model of the package diffusers: the same function, for its flow-matching schedulers.

diffusers counts time as noise, s = 1000 (1 − t), and predicts noise − data, where this package has t and data − noise.
Both differences go into the weights: the last layer changes its sign, and the first layer of the time's MLP is composed
with the linear map from the sinusoids of s to those of the network's own time input, which exists because cos and sin
of 1000 − s are linear in those of s.

diffusers' class spaces its frequencies by 10000^(−i/127), DiT by 10000^(−i/128): whoever loads the model sets
``downscale_freq_shift = 0`` in it, as the guide shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backbones.config.base import TimeInput
from backbones.config.layers import TIME_FREQUENCIES
from backbones.dit import NORM_EPS, DiT
from backbones.layers.conditioning import Sinusoids
from zigbench.spec import EvaluationRun

EXACT = 1e-9
"""Largest error of a sinusoid as a linear map of the others, float64; where it is larger there is no such map."""

_BLOCK = (
    (r"modulation\.linear\.", "norm1.linear."),
    (r"attention\.proj\.", "attn1.to_out.0."),
    (r"mlp\.inner\.", "ff.net.0.proj."),
    (r"mlp\.outer\.", "ff.net.2."),
)


def write(network: nn.Module, spec: EvaluationRun, folder: Path) -> None:
    """Write ``folder/transformer`` and ``folder/scheduler``, which diffusers loads by ``from_pretrained``.

    Raises:
        ValueError: diffusers is not installed, or the network is no class-conditional DiT of square images with the
            velocity of the linear path as its output, sincos positions and one time input, "scaled" or "unit".
    """
    try:
        from diffusers import DiTTransformer2DModel, FlowMatchEulerDiscreteScheduler
    except ImportError:
        raise ValueError(
            "exporting to diffusers needs the package diffusers: pip install 'zigbench[latents]'"
        ) from None
    if faults := list(_faults(network, spec)):
        raise ValueError(f"diffusers has no class for this network: {'; '.join(faults)}")
    assert isinstance(network, DiT)
    geometry, config = network.geometry, network.config
    assert geometry.classes is not None
    model: Any = DiTTransformer2DModel(
        num_attention_heads=config.heads,
        attention_head_dim=config.width // config.heads,
        in_channels=geometry.channels,
        num_layers=config.depth,
        sample_size=geometry.height,
        patch_size=geometry.patch,
        num_embeds_ada_norm=geometry.classes,
        norm_eps=NORM_EPS,
    )
    weights = {name: tensor.contiguous() for name, tensor in _weights(network)}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise ValueError(f"this version of diffusers names the weights otherwise: {[*missing, *unexpected][:5]}")
    model.save_pretrained(folder / "transformer")
    scheduler: Any = FlowMatchEulerDiscreteScheduler()
    scheduler.save_pretrained(folder / "scheduler")


def _faults(network: nn.Module, spec: EvaluationRun) -> Iterator[str]:
    """Yield the reasons for which the network is not diffusers' DiT; none where it is."""
    if type(network) is not DiT:
        yield f"it is a {type(network).__name__}, not a DiT"
        return
    geometry, config = network.geometry, network.config
    if geometry.classes is None or geometry.context is not None or geometry.frames is not None:
        yield "its condition is not a class alone"
    if geometry.height != geometry.width:
        yield f"its images of {geometry.height}×{geometry.width} are not square"
    if network.position.kind != "sincos":
        yield f'its positions are "{network.position.kind}", not "sincos"'
    if config.mlp_ratio != 4:
        yield f"its mlp_ratio is {config.mlp_ratio:g}, not 4"
    if config.learned_sigma:
        yield "its output holds a variance too"
    if config.time == "reversed":
        yield 'its time input is "reversed", that of a discrete diffusion'
    if config.label_dropout == 0:
        yield "it has no row for the null label"
    if (spec.interpolant.path, spec.interpolant.prediction) != ("linear", "velocity"):
        yield "it does not predict the velocity of the linear path"
    if config.times != 1:
        yield f"it has {config.times} time inputs, not one"
    elif spec.objective is not None and spec.objective.config.solver is not None:
        yield f"the objective {spec.objective.name!r} trains a jump to the end of a flow, not its velocity"


def _weights(network: DiT) -> Iterator[tuple[str, Tensor]]:
    """Yield diffusers' names and tensors."""
    ours = network.state_dict()
    geometry, width = network.geometry, network.config.width
    patch = ours["patches.proj.weight"]
    yield "pos_embed.proj.weight", patch.reshape(width, geometry.channels, geometry.patch, geometry.patch)
    yield "pos_embed.proj.bias", ours["patches.proj.bias"]
    yield "proj_out_1.weight", ours["head_modulation.linear.weight"]
    yield "proj_out_1.bias", ours["head_modulation.linear.bias"]
    yield "proj_out_2.weight", -ours["head.weight"]
    yield "proj_out_2.bias", -ours["head.bias"]
    inner = ours["condition.time.inner.weight"]
    condition = {
        "timestep_embedder.linear_1.weight": (inner.double() @ _from_noise_time(network.config.time)).to(inner.dtype),
        "timestep_embedder.linear_1.bias": ours["condition.time.inner.bias"],
        "timestep_embedder.linear_2.weight": ours["condition.time.outer.weight"],
        "timestep_embedder.linear_2.bias": ours["condition.time.outer.bias"],
        "class_embedder.embedding_table.weight": ours["condition.label.table.weight"],
    }
    for index in range(network.config.depth):
        prefix, name = f"blocks.{index}.", f"transformer_blocks.{index}."
        for key, tensor in condition.items():
            yield f"{name}norm1.emb.{key}", tensor
        for key, tensor in ours.items():
            if not key.startswith(prefix):
                continue
            rest = key.removeprefix(prefix)
            if rest.startswith("attention.qkv."):
                for part, value in zip("qkv", tensor.chunk(3), strict=True):
                    yield f"{name}attn1.to_{part}.{rest.rpartition('.')[2]}", value
                continue
            for pattern, replacement in _BLOCK:
                rest = re.sub(f"^{pattern}", replacement, rest)
            yield name + rest, tensor


def _from_noise_time(time: TimeInput) -> Tensor:
    """Return the matrix M with (sinusoids of the network's time input) = M · (sinusoids of s), float64 (256, 256)."""
    t = torch.linspace(0, 1, 4_001, dtype=torch.float64)
    own, other = (Sinusoids(TIME_FREQUENCIES, kind).double() for kind in (time, "unit"))
    half = TIME_FREQUENCIES // 2
    exponents = torch.arange(half, dtype=torch.float64) / half
    for sinusoids in (own, other):  # The buffer is rounded to float32, which 1,000 times it would show.
        sinusoids.frequencies = 10_000.0**-exponents
    wanted, given = own(t), other(1_000 * (1 - t))
    solution = torch.linalg.lstsq(given, wanted, rcond=1e-13, driver="gelsd").solution
    assert float((given @ solution - wanted).abs().max()) < EXACT
    return solution.T
