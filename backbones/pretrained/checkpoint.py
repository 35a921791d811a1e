"""Weights of released checkpoints: read, loaded under the published keys, and written back under them.

A release's tensors hold the same numbers as this package's, under other names, and sometimes with an additional axis of
size one or with a patch's axes unfolded, so a pair of names and a shape suffice.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from backbones.network import Network
from backbones.pretrained.releases import RELEASES, Release
from zigbench.backbone import Geometry, build
from zigbench.spec import registry

Weights = Mapping[str, Tensor]

WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of names that compilation, sharding and recomputation put before what they wrap, the whole or a block of it."""


def read(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict of a released file: .safetensors, or .pt / .pth, of which only tensors are unpickled.

    Averaged weights are taken where the file also holds others, and what wrappers put into the names is cut out.

    Raises:
        ValueError: a file that is missing, of another kind, without a state dict, or with two weights of one name.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix == ".safetensors":
        try:
            content: Any = load_file(path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} cannot be read as tensors: {error}") from error
    elif path.suffix in (".pt", ".pth"):
        content = _unpickle(path)
    else:
        raise ValueError(f"{path} ends in {path.suffix!r}; expected .pt, .pth or .safetensors")
    for wrapper in ("ema", "model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = isinstance(content, Mapping) and all(isinstance(value, Tensor) for value in content.values())
    if not tensors or not content:
        raise ValueError(f"{path} holds no state dict: expected names and tensors")
    weights = {unwrapped(key): value for key, value in content.items()}
    if len(weights) < len(content):
        twice = next(key for key in content if unwrapped(key) != key and unwrapped(key) in content)
        raise ValueError(f"{path} holds {unwrapped(twice)!r} twice, once as {twice!r}; keep one")
    return weights


def unwrapped(name: str) -> str:
    """Return a weight's name without the parts that wrappers (DDP, FSDP, compilation, recomputation) put into it."""
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    while len(parts) > 1 and parts[0] == "module":
        parts.pop(0)
    return ".".join(parts)


def _unpickle(path: Path) -> Any:
    # DiT and SiT save their command line beside the weights; a Namespace only holds values.
    with path.open("rb") as file, torch.serialization.safe_globals([Namespace]):
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception:
            # A file that is no pickle can raise any error, and torch's message recommends to run the file's code, which
            # reading only tensors is to avoid.
            raise ValueError(
                f"{path} is truncated, no file of torch, or holds more than tensors and plain values; it is not read"
            ) from None


def load(family: str, state_dict: Weights, geometry: Geometry, **config: Any) -> nn.Module:
    """Build a backbone with released weights.

    Args:
        family: a key of ``RELEASES``; with "zigma" the keys decide between zigzag, sweep-2 and
            parallel blocks.
        state_dict: published names to tensors, as :func:`read` returns them.
        geometry: the geometry of its training.
        config: the family's keywords; those that the release or the keys determine are optional. A ``curve`` whose
            variants the release numbers differently gets the release's numbering.

    Raises:
        ValueError: an unknown family, missing or unexpected keys, or different shapes; the message
            names all of them.
    """
    release = RELEASES.get(family)
    if release is None:
        raise ValueError(f"unknown release {family!r} (known: {', '.join(RELEASES)})")
    if family == "zigma":
        release = RELEASES[_zigma_kind(state_dict)]
    known = _config_of(release, state_dict, geometry)
    if "curve" in config:
        config["curve"] = release.curves.get(config["curve"], config["curve"])
    network = build(release.backbone, geometry, seed=0, **{**release.config, **known, **config})
    names = dict(_published(network, release, geometry))
    _compare(family, dict(names.values()), state_dict, release)
    ours = network.state_dict()
    for key, (name, _) in names.items():
        if name in state_dict:
            ours[key] = state_dict[name].reshape(ours[key].shape).to(ours[key].dtype)
    network.load_state_dict(ours)
    return network


def export(network: nn.Module, family: str) -> dict[str, Tensor]:
    """Return the network's weights under the names and in the shapes that ``family`` published, copied.

    Raises:
        ValueError: an unknown family, or a network of another backbone than it released, or of two time inputs.
    """
    release = RELEASES.get(family)
    if release is None:
        raise ValueError(f"unknown release {family!r} (known: {', '.join(RELEASES)})")
    owner = registered_name(network)
    if owner != release.backbone:
        raise ValueError(f"{family} released weights of the backbone {release.backbone!r}; this network is {owner!r}")
    times = getattr(network.config, "times", 1)
    if times != 1:
        raise ValueError(f"{family} released networks of one time input, and this one has {times}: export it as plain")
    ours = network.state_dict()
    assert isinstance(network, Network)  # as every backbone of this package
    names = _published(network, release, network.geometry)
    written = {name: ours[key].reshape(shape).clone() for key, (name, shape) in names}
    if family == "zigma-parallel":
        written.update(dict(_last_sets(written)))
    return written


def unreleased(network: Network, family: str) -> tuple[str, ...]:
    """Return the names of the network's parameters that ``family`` did not release, and that stay as initialised."""
    release = RELEASES[family]
    if not release.partial:
        return ()
    released = {key for key, _ in _published(network, release, network.geometry)}
    return tuple(key for key, _ in network.named_parameters() if key not in released)


def registered_name(network: nn.Module) -> str:
    """Return the name of the registered backbone that the network belongs to."""
    config = type(network.config)
    return next(name for name in registry.backbones.names() if registry.backbones.get(name) is config)


def _zigma_kind(state_dict: Weights) -> str:
    if any(".A_b_log_list." in key for key in state_dict):
        return "zigma-parallel"
    return "zigma-sweep" if any(key.endswith(".A_b_log") for key in state_dict) else "zigma"


def _config_of(release: Release, state_dict: Weights, geometry: Geometry) -> dict[str, Any]:
    """Return the keys of the config that the weights' names determine."""
    config: dict[str, Any] = {}
    if release.backbone != "dit" and not release.partial:
        config["position"] = "learned" if "pos_embed" in state_dict else "none"
    if release.backbone in ("u-vit", "dis"):
        config["time_mlp"] = "time_embed.0.weight" in state_dict
        config["skip"] = any(".skip_linear." in key for key in state_dict)
    if release.backbone == "u-vit":
        config["conv"] = "final_layer.weight" in state_dict
    if release.backbone == "parallel":
        sets = [int(match[1]) for key in state_dict if (match := re.search(r"\.A_b_log_list\.(\d+)$", key))]
        config |= {"schemes": max(sets) + 1, "extra": 1}
    tables = [key for key in ("y_embedder.embedding_table.weight", "label_emb.weight") if key in state_dict]
    if tables and geometry.classes == len(state_dict[tables[0]]):
        config["label_dropout"] = 0.0  # No row for the null label.
    return config


def _published(
    network: nn.Module, release: Release, geometry: Geometry
) -> Iterator[tuple[str, tuple[str, tuple[int, ...]]]]:
    """Yield the name of each parameter here, with its published name and shape."""
    for key, parameter in network.named_parameters():
        name = key
        for pattern, replacement in release.renames:
            name = _rename(pattern, replacement, name)
        shape = tuple(parameter.shape)
        if key == "patches.proj.weight":
            shape = (shape[0], geometry.channels, geometry.patch, geometry.patch)
        elif key.endswith(".conv_weight"):
            shape = (shape[0], 1, shape[1])
        elif key == "position.embedding":
            shape = (1, *shape)
        if release.partial and not re.match(r"layers\.\d+\.(mixer|norm)\.|norm_f\.", name):
            continue
        yield key, (name, shape)


def _rename(pattern: str, replacement: str | Callable[[re.Match[str]], str], name: str) -> str:
    anchor = "" if pattern.startswith(r"\.") else "^"
    return re.sub(anchor + pattern, replacement, name, count=1)


def _compare(family: str, expected: Mapping[str, tuple[int, ...]], given: Weights, release: Release) -> None:
    missing = [key for key in expected if key not in given]
    extra = [key for key in given if key not in expected and not re.match(release.ignored, key)]
    shapes = [
        f"{key} is {tuple(given[key].shape)} in the file and {shape} in the network"
        for key, shape in expected.items()
        if key in given and tuple(given[key].shape) != shape
    ]
    faults = []
    if missing:
        faults.append(f"the file does not have {_listed(missing)}")
    if extra:
        faults.append(f"the file has {_listed(extra)}, which the network does not have")
    if shapes:
        faults.append(_listed(shapes, joiner="; "))
    if faults:
        raise ValueError(f"these weights are not of {family} with this config: {'. '.join(faults)}")


def _listed(items: list[str], joiner: str = ", ", limit: int = 5) -> str:
    rest = f"{joiner}and {len(items) - limit} more" if len(items) > limit else ""
    return joiner.join(items[:limit]) + rest


def _last_sets(written: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the last parallel set under the name without a number, as the release also saves it."""
    sets = {int(match[1]) for key in written if (match := re.search(r"\.A_b_log_list\.(\d+)$", key))}
    last = f"_list.{max(sets)}"
    for key, value in written.items():
        if re.search(rf"{re.escape(last)}(\.|$)", key):
            yield key.replace(last, ""), value
