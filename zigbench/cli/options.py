"""The application, its two consoles, and the options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zigbench.cli import completion
from zigbench.records.pack import is_pack
from zigbench.records.plugins import recall

app = typer.Typer(
    name="zigbench",
    help="Benchmark and ablation suite for scan orders in state-space diffusion backbones.\n\n"
    "A suite asks one question. `zigbench run SUITE` trains and measures its missing runs on this machine and "
    "writes a page with the answer; a finished run is never done again. Start with `zigbench run quickstart` "
    "(minutes on two CPU cores, no download).",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

SuiteName = Annotated[
    str,
    typer.Argument(
        metavar="SUITE",
        help="A registered suite, or the path of a suite's .py file.",
        autocompletion=completion.suites,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "--as",
        help="Other settings for the same question, such as `miniature`, or `release`, the authors'.",
        autocompletion=completion.profiles,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key in every run: `training.steps=50`.",
        autocompletion=completion.keys,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE[,VALUE]",
        help="Only the runs that match an axis (`arm=dit,zigma`, `seed=0,1`) or a key (`scan.curve=hilbert`).",
    ),
]
Arm = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:KEY=VALUE",
        help="Add an arm: the suite's baseline with this key changed (`mine:scan.curve=mine`).",
    ),
]
Retry = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STATE", help="Retry runs that are `failed`, `oom`, `diverged`, `timeout`, `damaged` or `foreign`."
    ),
]


def _with_plugins(places: list[Path]) -> list[Path]:
    recall(places)
    return places


Results = Annotated[
    list[Path],
    typer.Option(
        callback=_with_plugins,
        metavar="PLACE",
        help="Folder of runs. Commands that only read also take packs, zips of packs, and several places.",
        envvar="ZIGBENCH_RESULTS",
    ),
]
Reports = Annotated[Path, typer.Option(help="Folder of the reports.")]
RUNS = [Path("results/runs")]
REPORTS = Path("reports")


def writable(results: Sequence[Path]) -> Path:
    """Return the one folder that a command writes runs into.

    Raises:
        ValueError: several places were named, or a pack.
    """
    if len(results) != 1:
        raise ValueError(f"--results names {len(results)} places; this command writes runs and needs one folder")
    if is_pack(results[0]):
        raise ValueError(
            f"--results {results[0]} is a pack, and this command writes runs; `zigbench unpack` makes folders of one"
        )
    return results[0]
