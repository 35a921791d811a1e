"""The command that scores pictures: score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from zigbench.cli.options import app, out
from zigbench.spec.files import write_atomically
from zigbench.spec.presets import PRESETS

Place = "A folder of pictures, or an .npz of them (`arr_0`, uint8, N×H×W×3)"


@app.command()
def score(
    generated: Annotated[Path, typer.Option(metavar="PLACE", help=f"The generated pictures. {Place}.")],
    real: Annotated[
        Path | None,
        typer.Option(
            metavar="PLACE",
            help=f"The real ones. {Place}, or one of statistics (`mu`). `clip_score` needs none, but captions beside "
            "the generated pictures.",
        ),
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(metavar="PLACE", help="Other real pictures, for metrics that are ratios.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A metric of `zigbench list metrics`; by default those without a download."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=f"The published protocol that the pictures follow, and its metrics: {', '.join(PRESETS)}."),
    ] = None,
    resolution: Annotated[
        int | None, typer.Option(min=1, help="Crop each picture of a folder to its central square of this side.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="EXTRACTOR=FILE", help="A file of weights in place of the published one."),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples behind an interval; 0 for none.")] = 100,
    cache: Annotated[Path, typer.Option(help="Folder of weights and statistics.")] = Path("results/cache"),
    output: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.json", help="Write figures and protocols to this file.")
    ] = None,
) -> None:
    """Score pictures that anyone made with anything, under the protocols of a run's samples."""
    from zigbench.evaluation.pictures import Pictures  # torch
    from zigbench.evaluation.references import is_statistics
    from zigbench.evaluation.score import score as measure

    given = dict(_weights(text) for text in weights or ())
    measurements, protocols = measure(
        Pictures.of(generated, resolution),
        real if real is None or is_statistics(real) else Pictures.of(real, resolution),
        metric or (),
        cache=cache,
        preset=preset,
        held_out=None if held_out is None else Pictures.of(held_out, resolution),
        weights=given,
        bootstrap=bootstrap,
    )
    for figure in measurements:
        value = "none" if figure.value is None else f"{figure.value:.6g}"
        interval = "" if figure.interval is None else " ({:.6g} to {:.6g})".format(*figure.interval)
        protocol = "" if figure.protocol is None else f", protocol {figure.protocol}"
        note = f"; {figure.note}" if figure.note else ""
        out.print(f"{figure.name:28}{value}{interval}{protocol}{note}", markup=False)
    if output is not None:
        body = {
            "measurements": [figure.model_dump(mode="json") for figure in measurements],
            "protocols": {protocol.hash: protocol.model_dump(mode="json") for protocol in protocols},
        }
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode())
        out.print(f"written to {output}")


def _weights(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise ValueError(f"--weights {text} is not of the form EXTRACTOR=FILE, such as inception=weights.pth")
    return name, Path(file)
