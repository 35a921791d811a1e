"""The names of released weights in each project: patterns, and the keys of the config that a release fixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from re import Match
from typing import Any

Renames = tuple[tuple[str, str | Callable[[Match[str]], str]], ...]

_CONDITIONING: Renames = (
    (r"patches\.proj\.", "x_embedder.proj."),
    (r"condition\.time\.inner\.", "t_embedder.mlp.0."),
    (r"condition\.time\.outer\.", "t_embedder.mlp.2."),
    (r"condition\.label\.table\.", "y_embedder.embedding_table."),
    (r"condition\.text\.proj\.", "y_embedder."),
    (r"position\.embedding", "pos_embed"),
    (r"\.modulation\.linear\.", ".adaLN_modulation.1."),
    (r"head\.", "final_layer.linear."),
    (r"head_modulation\.linear\.", "final_layer.adaLN_modulation.1."),
)
_MIXER: Renames = (
    (r"\.directions\.0\.conv_", ".conv1d."),
    (r"\.directions\.0\.", "."),
    (r"\.directions\.1\.conv_", ".conv1d_b."),
    (r"\.directions\.1\.(x_proj|dt_proj)\.", r".\1_b."),
    (r"\.directions\.1\.A_log", ".A_b_log"),
    (r"\.directions\.1\.D", ".D_b"),
)
_CROSS: Renames = (
    (r"\.attention\.([qkv])\.", r".msa.to_\1."),
    (r"\.attention\.proj\.", ".msa.to_out.0."),
    (r"norm\.", "norm_f."),
)
_TRANSFORMER: Renames = (
    (r"\.attention\.", ".attn."),
    (r"\.mlp\.inner\.", ".mlp.fc1."),
    (r"\.mlp\.outer\.", ".mlp.fc2."),
)
_SKELETON: Renames = (
    (r"patches\.proj\.", "patch_embed.proj."),
    (r"time\.", "time_embed."),
    (r"text\.proj\.", "context_embed."),
    (r"position\.embedding", "pos_embed"),
    (r"blocks_in\.", "in_blocks."),
    (r"block_mid\.", "mid_block."),
    (r"blocks_out\.", "out_blocks."),
    (r"\.join\.linear\.", ".skip_linear."),
)
_U_VIT: Renames = (
    (r"label\.table\.", "label_emb."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.mlp_norm\.", ".norm2."),
    (r"head\.", "decoder_pred."),
    (r"conv\.", "final_layer."),
)
_DIS: Renames = (
    (r"label\.table\.", "label_emb.embedding_table."),
    (r"norm\.", "norm_f."),
    (r"head\.", "final_layer.linear."),
    (r"head_modulation\.linear\.", "final_layer.adaLN_modulation.1."),
)
_PARALLEL: Renames = (
    (r"\.directions\.0\.conv_", ".conv1d."),
    (r"\.directions\.0\.", "."),
    (r"\.directions\.(\d+)\.conv_", lambda m: f".conv1d_b_list.{int(m[1]) - 1}."),
    (r"\.directions\.(\d+)\.(x_proj|dt_proj)\.", lambda m: f".{m[2]}_b_list.{int(m[1]) - 1}."),
    (r"\.directions\.(\d+)\.A_log", lambda m: f".A_b_log_list.{int(m[1]) - 1}"),
    (r"\.directions\.(\d+)\.D", lambda m: f".D_b_list.{int(m[1]) - 1}"),
)


@dataclass(frozen=True)
class Release:
    """The release of one project's weights.

    Attributes:
        backbone: the registered family that holds them.
        renames: patterns of this package's names, each with its replacement in the published keys; each pattern is
            tried at the start of a name, or anywhere where it begins with a dot.
        config: keys of the config that the release fixes.
        interpolant: the prediction and the path of the released networks.
        curves: scan curves whose variants the release numbers differently, each with the curve of that numbering here.
        ignored: published keys that the backbone has no place for.
        partial: some of the backbone's own parameters are not in the release and stay as initialised.
    """

    backbone: str
    renames: Renames
    config: Mapping[str, Any] = field(default_factory=dict)
    interpolant: Mapping[str, str] = field(default_factory=lambda: {"path": "linear", "prediction": "velocity"})
    curves: Mapping[str, str] = field(default_factory=dict)
    ignored: str = r"(?!)"
    partial: bool = False


# The discrete diffusion of these was trained with β from 1e-4 to 0.02 in 1000 steps: the VP path's β₀ and β₁.
_NOISE = {"path": "vp", "prediction": "noise"}
_ZIGMA = {"residual": "released", "time": "scaled"}
_ZIGMA_CURVES = {"hilbert-released": "hilbert-released[numbering=release]"}
# The release assigns each parallel set to one attribute in turn, so the last set is saved a second time.
_LAST_SET = r"blocks\.\d+\.mixer\.(A_b_log|D_b|conv1d_b\.\w+|x_proj_b\.\w+|dt_proj_b\.\w+)"

RELEASES: Mapping[str, Release] = {
    "zigma": Release("zigma", (*_CONDITIONING, *_MIXER, *_CROSS), _ZIGMA, curves=_ZIGMA_CURVES),
    "zigma-sweep": Release("sweep", (*_CONDITIONING, *_MIXER, *_CROSS), {**_ZIGMA, "schemes": 2}),
    "zigma-parallel": Release("parallel", (*_CONDITIONING, *_PARALLEL, *_CROSS), _ZIGMA, ignored=_LAST_SET),
    "dit": Release(
        "dit", (*_CONDITIONING, *_TRANSFORMER), {"learned_sigma": True, "time": "reversed"}, interpolant=_NOISE
    ),
    "sit": Release("dit", (*_CONDITIONING, *_TRANSFORMER), {"learned_sigma": True, "time": "unit"}),
    "u-vit": Release("u-vit", (*_SKELETON, *_U_VIT, *_TRANSFORMER), {"time": "reversed"}, interpolant=_NOISE),
    "dis": Release(
        "dis", (*_SKELETON, *_DIS, *_MIXER), {"learned_sigma": True, "time": "reversed"}, interpolant=_NOISE
    ),
    "vim": Release(
        "vision-mamba",
        ((r"blocks\.", "layers."), *_MIXER, (r"norm\.", "norm_f.")),
        ignored=r"cls_token|pos_embed|patch_embed\.|head\.",
        partial=True,
    ),
}
