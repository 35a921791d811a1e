"""The command `prepare`, which encodes pictures and clips into latents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from zigbench.cli import completion
from zigbench.cli.options import app, err, out
from zigbench.data.formats.samples import UNREADABLE
from zigbench.spec import registry


@app.command()
def prepare(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A registered data set; `latents` for your own pictures.",
            autocompletion=completion.names_of(registry.data),
        ),
    ],
    source: Annotated[Path, typer.Option("--from", metavar="FOLDER", help="Pictures, a table, arrays or tar shards.")],
    to: Annotated[Path | None, typer.Option(help="Folder to write; by default below `data` or $ZIGBENCH_DATA.")] = None,
    resolution: Annotated[int | None, typer.Option(min=8, help="Side of the pictures in pixels.")] = None,
    vae: Annotated[
        str | None, typer.Option(help="Autoencoder: a folder, or a name in the cache of its library.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Text encoder for captions: a folder or a name, as above.")] = None,
    pooled: Annotated[
        bool, typer.Option(help="Store the pooled embedding of a caption, not those of its tokens.")
    ] = False,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes of your own pictures.")] = None,
    flips: Annotated[bool, typer.Option(help="Store latents of the flipped pictures too.")] = True,
    encoded: Annotated[bool, typer.Option(help="Use the latents and embeddings in the tar shards.")] = False,
    scaled: Annotated[bool, typer.Option(help="The latents in the shards are scaled already.")] = False,
    unreadable: Annotated[float, typer.Option(min=0, max=1, help="Largest share of unreadable samples.")] = UNREADABLE,
    frames: Annotated[int | None, typer.Option(min=1, help="Least number of frames of a clip.")] = None,
    official_split: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|all", help="The published split into training and test, where there are several, or all."
        ),
    ] = None,
    autoencoder: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Autoencoder of a published set, by its name in `data.config.autoencoder`."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Number of processes that encode.")] = 1,
) -> None:
    """Encode pictures into latents, once, for all runs. After an interrupt the same command resumes."""
    from rich.progress import Progress

    from zigbench.data.latents.index import settings
    from zigbench.data.prepare import PrepareOptions, prepare_data_set

    options = PrepareOptions(
        resolution=resolution,
        to=to,
        vae=vae,
        text=text,
        pooled=pooled,
        classes=classes,
        flips=flips,
        encoded=encoded,
        scaled=scaled,
        unreadable=unreadable,
        processes=processes,
        frames=frames,
        official_split=int(official_split) if official_split and official_split.isdecimal() else official_split,
        autoencoder=autoencoder,
    )
    with Progress(console=err) as bar:
        task = bar.add_task("encoding", visible=False)
        folder, summary = prepare_data_set(
            name, source, options, lambda done, total: bar.update(task, completed=done, total=total, visible=True)
        )
    for message in summary.unreadable:
        err.print(f"unreadable: {message}", markup=False)
    counts = " and ".join(f"{count:,} {split}" for split, count in summary.counts.items())
    error = "" if summary.roundtrip is None else f", decoded back at {summary.roundtrip:.1f} dB"
    out.print(f"{counts} samples in {folder} (latents deviate by {summary.deviation:.2f}{error})", markup=False)
    if name == "latents":
        keys = {"data.name": name, **{f"data.config.{key}": value for key, value in settings(folder).items()}}
        words = (
            f"--set {key}={value if isinstance(value, str) else json.dumps(value).replace(' ', '')}"
            for key, value in keys.items()
        )
        out.print(f"train on them with {' '.join(words)}", markup=False)
