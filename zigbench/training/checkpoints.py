"""Checkpoints of a training: each is a folder that is written atomically, with checksums of its files.

``weights.safetensors`` (the network), ``average.safetensors`` (its averaged weights), ``state.pt`` (optimizer,
scaler, counters; loads with ``weights_only=True``) and ``manifest.json`` with their checksums. No state of random
generators is stored: every number that a step draws is a function of (seed, step), and so is its place in the data.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from zigbench.spec.errors import machine_fault
from zigbench.spec.files import file_sha256, full_disk, sha256

log = logging.getLogger(__name__)

FORMAT = 2
"""The format that is written. Format 1, which has another layout of the optimizer's state, is also read."""

FILES = ("weights.safetensors", "average.safetensors", "state.pt")
MANIFEST = "manifest.json"

NEWEST = 2
"""Number of newest checkpoints that are never removed: one to resume from, and the one before it."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: damaged, or of another network or run. The message names it and the reason."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint whose files were changed after they were written."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after ``step`` steps.

    Attributes:
        step: steps done.
        facts: description of the run, as JSON values; other facts mean another run.
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
            OSError: a full disk, a read-only folder; no incomplete checkpoint exists under the name.
        """
        tensors = [*self.weights.values(), *self.average.values(), *_tensors(self.state)]
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        unfinished = path.with_name(f".{path.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            safetensors.torch.save_file(_independent(self.weights), unfinished / "weights.safetensors")
            safetensors.torch.save_file(_independent(self.average), unfinished / "average.safetensors")
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
            with contextlib.suppress(OSError):  # Some file systems cannot make a rename durable.
                _sync(path.parent)
        except BaseException as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            # Some libraries report a failed write without its reason.
            unnamed = isinstance(error, Exception) and machine_fault(error) is None
            if unnamed and (fault := full_disk(path.parent, size)):
                raise fault from error
            raise

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a checkpoint of :meth:`write`.

        Raises:
            DamagedCheckpointError: a file is missing, cut or changed, or the checkpoint is of another format.
        """
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            checksum = manifest.pop("checksum")
            checksums = {name: file_sha256(path / name) for name in FILES}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise DamagedCheckpointError(f"{path}: incomplete ({type(error).__name__}: {error})") from None
        if _checksum(manifest) != checksum:
            raise DamagedCheckpointError(f"{path / MANIFEST}: the checksum does not match: cut or changed")
        if manifest["format"] not in (1, FORMAT):
            raise DamagedCheckpointError(f"{path}: format {manifest['format']}; this zigbench reads 1 to {FORMAT}")
        for name in FILES:
            if checksums[name] != manifest["files"][name]:
                raise DamagedCheckpointError(f"{path / name}: the checksum does not match: cut or changed")
        return cls(
            step=manifest["step"],
            facts=manifest["facts"],
            weights=safetensors.torch.load_file(path / "weights.safetensors"),
            average=safetensors.torch.load_file(path / "average.safetensors"),
            state=torch.load(path / "state.pt", map_location="cpu", weights_only=True),
        )

    def check_same_run(self, facts: Mapping[str, Any], path: Path) -> None:
        """Raise CheckpointError for the checkpoint of another network or run.

        Args:
            facts: description of the present run.
            path: folder of the checkpoint, for the message.

        Raises:
            CheckpointError: names the first fact that differs, with both its values.
        """
        here, there = _leaves(facts), _leaves(self.facts)
        for place in (*here, *there):
            if here.get(place) != there.get(place):
                raise CheckpointError(
                    f"{path} is of another run: its {' '.join(place)} is {_text(there.get(place))}, here it is "
                    f"{_text(here.get(place))}; train into another folder, or delete this one to start anew"
                )


class CheckpointManager:
    """The checkpoints of a run in ``folder``, each in a subfolder named after its step.

    Args:
        folder: the folder, created with the first checkpoint.
        every: steps between checkpoints; None for none by steps.
        keep_every: checkpoints at multiples of so many steps are written too, and never removed; None for none.
    """

    def __init__(self, folder: Path, *, every: int | None = None, keep_every: int | None = None) -> None:
        self.folder = folder
        self.every = every
        self.keep_every = keep_every

    def due(self, step: int) -> bool:
        """Return whether a checkpoint is to be written at this step, whatever the time."""
        return any(interval and step % interval == 0 for interval in (self.every, self.keep_every))

    def steps(self) -> list[int]:
        """Return the steps of all checkpoints in the folder, newest first, damaged ones included."""
        if not self.folder.exists():
            return []
        return sorted((int(path.name) for path in self.folder.iterdir() if path.name.isdigit()), reverse=True)

    def path(self, step: int) -> Path:
        """Return the folder of the checkpoint of a step."""
        return self.folder / f"{step:09d}"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and remove those that are no longer needed.

        Raises:
            OSError: it can't be written; earlier checkpoints are not changed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.write(self.path(checkpoint.step))
        for step in self.steps()[NEWEST:]:
            if not self.keep_every or step % self.keep_every:
                shutil.rmtree(self.path(step))

    def newest(self) -> Checkpoint | None:
        """Read the newest sound checkpoint; None where there is none at all.

        A damaged one is reported in the log and the one before it is read.

        Raises:
            DamagedCheckpointError: there are checkpoints, and every one is damaged.
        """
        faults = []
        for step in self.steps():
            try:
                return Checkpoint.read(self.path(step))
            except DamagedCheckpointError as error:
                log.warning("%s; the checkpoint before it is used", error)
                faults.append(str(error))
        if faults:
            raise DamagedCheckpointError(
                f"no sound checkpoint: {'; '.join(faults)}; delete {self.folder} to start the run anew"
            )
        return None

    def remove_after(self, step: int) -> None:
        """Remove the checkpoints of later steps, which are repeated: a damaged one must not be mistaken for theirs."""
        for later in self.steps():
            if later > step:
                shutil.rmtree(self.path(later))


def _leaves(facts: Mapping[str, Any], place: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return the values of nested mappings by their paths of keys."""
    leaves: dict[tuple[str, ...], Any] = {}
    for key, value in facts.items():
        if isinstance(value, Mapping):
            leaves |= _leaves(value, (*place, key))
        else:
            leaves[(*place, key)] = value
    return leaves


def _text(value: Any) -> str:
    return "absent" if value is None else str(value)


def _independent(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous tensors that share no memory, as the file format requires."""
    seen: set[int] = set()
    independent = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        address = tensor.untyped_storage().data_ptr()
        independent[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return independent


def _tensors(state: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested mappings and lists."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping | list | tuple):
        for value in state.values() if isinstance(state, Mapping) else state:
            yield from _tensors(value)


def _checksum(body: Mapping[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True))


def _sync(path: Path) -> None:
    """Make a file or a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
