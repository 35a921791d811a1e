"""One checkpoint: a folder that is there whole or not at all, and knows whether it is still what was written.

``weights.safetensors`` (the network), ``average.safetensors`` (its averaged weights), ``state.pt`` (optimizer,
scaler, counters; loads with ``weights_only=True``) and ``manifest.json`` with their checksums. There is no state of
random generators in it: every number a step draws is a function of (seed, step), and so is the data's position.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from zigbench.spec.files import file_sha256, sha256

FORMAT = 1
FILES = ("weights.safetensors", "average.safetensors", "state.pt")
MANIFEST = "manifest.json"


class CheckpointError(ValueError):
    """A checkpoint that can't be used: damaged, or of another network or run. The message says which and why."""


class DamagedCheckpointError(CheckpointError):
    """Its files are not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """What is kept of a training after ``step`` steps.

    Attributes:
        facts: what the run is, as JSON values; one with other facts is another run.
        weights, average: state dicts, on the CPU.
        state: tensors and plain values only.
    """

    step: int
    facts: dict[str, Any]
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    state: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write to the folder ``path``, durable when it returns.

        Raises:
            OSError: a full disk, a read-only folder; nothing half-written is left under the name.
        """
        unfinished = path.with_name(f".{path.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            safetensors.torch.save_file(_apart(self.weights), unfinished / "weights.safetensors")
            safetensors.torch.save_file(_apart(self.average), unfinished / "average.safetensors")
            torch.save(self.state, unfinished / "state.pt")
            files = {name: file_sha256(unfinished / name) for name in FILES}
            body = {"format": FORMAT, "step": self.step, "facts": self.facts, "files": files}
            manifest = {**body, "checksum": _checksum(body)}
            (unfinished / MANIFEST).write_text(json.dumps(manifest, sort_keys=True, indent=1), encoding="utf-8")
            for name in (*FILES, MANIFEST):
                _sync(unfinished / name)
            if path.exists():
                shutil.rmtree(path)
            unfinished.rename(path)
            with contextlib.suppress(OSError):  # Not every file system can make a rename durable.
                _sync(path.parent)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read what :meth:`write` wrote.

        Raises:
            DamagedCheckpointError: a file is missing, cut or changed, or the checkpoint is of another format.
        """
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            checksum = manifest.pop("checksum")
            found = {name: file_sha256(path / name) for name in FILES}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise DamagedCheckpointError(f"{path}: incomplete ({type(error).__name__}: {error})") from None
        if _checksum(manifest) != checksum:
            raise DamagedCheckpointError(f"{path / MANIFEST}: the checksum does not match: cut or changed")
        if manifest["format"] != FORMAT:
            raise DamagedCheckpointError(f"{path}: format {manifest['format']}; this zigbench reads {FORMAT}")
        for name in FILES:
            if found[name] != manifest["files"][name]:
                raise DamagedCheckpointError(f"{path / name}: the checksum does not match: cut or changed")
        return cls(
            step=manifest["step"],
            facts=manifest["facts"],
            weights=safetensors.torch.load_file(path / "weights.safetensors"),
            average=safetensors.torch.load_file(path / "average.safetensors"),
            state=torch.load(path / "state.pt", map_location="cpu", weights_only=True),
        )

    def refuse_other(self, facts: Mapping[str, Any], path: Path) -> None:
        """Refuse to go on from another network's or run's checkpoint.

        Raises:
            CheckpointError: names the first fact that differs, with both its values.
        """
        for place, here in _leaves(facts):
            there: Any = self.facts
            for key in place:
                there = there.get(key) if isinstance(there, dict) else None
            if there != here:
                raise CheckpointError(_differs(path, place, there, here))
        for place, there in _leaves(self.facts):
            if place not in dict(_leaves(facts)):
                raise CheckpointError(_differs(path, place, there, None))


def _differs(path: Path, place: tuple[str, ...], there: Any, here: Any) -> str:
    return (
        f"{path} is of another run: its {' '.join(place)} is {'absent' if there is None else there}, here it is "
        f"{'absent' if here is None else here}; train into another folder, or delete this one to start anew"
    )


def _leaves(facts: Mapping[str, Any], place: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            found += _leaves(value, (*place, key))
        else:
            found.append(((*place, key), value))
    return found


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors that share no memory, as the file format wants them."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return apart


def _checksum(body: Mapping[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True))


def _sync(path: Path) -> None:
    """Make a file or a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
