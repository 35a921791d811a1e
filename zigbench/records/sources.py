"""Sources of records: folders of runs, packs, zips of packs, or several of them read as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zigbench.records import cache
from zigbench.records.folder import RunFiles, RunFolder
from zigbench.records.pack import ID, Pack, is_pack
from zigbench.records.record import Damaged, Record

DEPTH = 2
"""Largest depth of a pack below a named folder (``results/measured/<machine>/<pack>``)."""


@dataclass(frozen=True)
class Sources:
    """Folders of runs and packs, in the order in which they were named.

    Args:
        folders: folders of runs; one that does not exist holds nothing.
        packs: packs.
    """

    folders: tuple[Path, ...]
    packs: tuple[Pack, ...]

    @classmethod
    def of(cls, roots: Sources | Path | str | Sequence[Path | str]) -> Sources:
        """Open sources of records, where they are not open already.

        Args:
            roots: one place or several: each a folder of runs, a pack, a zip of one, or a folder that holds packs.

        Raises:
            ValueError: a file that is no zip of a pack, or a pack of a later format.
        """
        if isinstance(roots, Sources):
            return roots
        paths = [Path(roots)] if isinstance(roots, Path | str) else [Path(root) for root in roots]
        for path in paths:
            if path.is_file() and not is_pack(path):
                raise ValueError(f"{path} is neither a folder nor a zip of a pack")
        folders = [path for path in paths if not is_pack(path)]
        return cls(tuple(folders), tuple(Pack(pack) for path in paths for pack in _packs(path, DEPTH)))

    def read(self, only: Iterable[str] | None = None) -> tuple[list[tuple[RunFiles, Record]], list[Damaged]]:
        """Return the sound records, each with its run, by id; and the damaged ones.

        Of a run that was recorded more than once, equal records are one; different ones follow each other in the
        order of the sources, folders first.

        Args:
            only: ids to read; None reads all.
        """
        only = None if only is None else tuple(only)
        parts: list[tuple[Sequence[tuple[RunFiles, Record]], list[Damaged]]] = []
        parts += [cache.read(folder, only) for folder in self.folders]
        parts += [pack.records(only) for pack in self.packs]
        if len(parts) == 1:
            return list(parts[0][0]), parts[0][1]
        by_run: dict[str, list[tuple[RunFiles, Record]]] = {}
        for run, record in (item for records, _ in parts for item in records):
            same = by_run.setdefault(record.id, [])
            if all(record != other for _, other in same):
                same.append((run, record))
        return [item for run in sorted(by_run) for item in by_run[run]], [item for _, bad in parts for item in bad]

    def damaged(self) -> list[Damaged]:
        """Check every member of every pack, and return those that are damaged, edited or missing."""
        return [item for pack in self.packs for item in pack.damaged()]

    def packed(self, only: Iterable[str] | None = None) -> dict[str, Record]:
        """Return the first sound record that a pack has of each run; of these runs, where they are named."""
        only = None if only is None else tuple(only)
        records = [item for pack in reversed(self.packs) for item in reversed(pack.records(only)[0])]
        return {record.id: record for _, record in records}

    def holds(self, identity: str) -> bool:
        """Return whether there is a record of a run, sound or not."""
        return any(pack.holds(identity) for pack in self.packs) or any(
            (root / identity / "record.json").exists() for root in self.folders
        )

    def folder(self, identity: str) -> RunFolder:
        """Return the folder in which a run lies, or would lie."""
        roots = self.folders or tuple(pack.path for pack in self.packs[:1]) or (Path(),)
        # A single folder, the usual case, needs no access to the disk.
        root = next((root for root in roots[1:] if (root / identity).exists()), roots[0])
        return RunFolder(root / identity)

    def find(self, name: str) -> RunFiles:
        """Return the run with an id that begins with ``name``; a run in a folder comes before a packed one.

        Raises:
            ValueError: there is none, or more than one.
        """
        runs: dict[str, RunFiles] = {}
        if name and set(name) <= set("0123456789abcdef"):
            runs |= {run.id: run for pack in self.packs for run in pack.beginning(name)}
            for root in self.folders:
                runs |= {path.parent.name: RunFolder(path.parent) for path in root.glob(f"{name}*/spec.json")}
        if len(runs) == 1:
            return next(iter(runs.values()))
        count = f"{len(runs)} runs" if runs else "no run"
        places = ", ".join(map(str, (*self.folders, *(pack.path for pack in self.packs))))
        raise ValueError(
            f"{count} under {places} with an id that begins with {name!r}; `zigbench plan SUITE` lists ids"
        )


def _packs(path: Path, depth: int) -> Iterator[Path]:
    """Return the packs at or under ``path``; folders that are named like runs are not searched."""
    if is_pack(path):
        yield path
    elif depth and path.is_dir():
        for child in sorted(path.iterdir()):
            if not ID.fullmatch(child.name) and not child.name.startswith("."):
                yield from _packs(child, depth - 1)
