"""Commands about scan curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zigbench.cli import completion
from zigbench.cli.options import REPORTS, app, err, out
from zigbench.spec import registry

curves_app = typer.Typer(help="Compare, show and draw scan curves.", no_args_is_help=True)
app.add_typer(curves_app, name="curves")
Grid = Annotated[str, typer.Option(metavar="HxW", help="Height and width in patches, `32x32`; `TxHxW` for clips.")]
Curves = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CURVE]...",
        help="Registered curves; without a name, all.",
        autocompletion=completion.names_of(registry.curves),
    ),
]


@curves_app.command("compare")
def curves_compare(
    curves: Curves = None,
    grid: Grid = "32x32",
    csv: Annotated[Path | None, typer.Option(help="Write the table to this CSV file.")] = None,
    locality: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the mean distance at 1, 2, … steps to this CSV file.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw locality and reach: .svg, .png, or .pdf for one column of a paper."),
    ] = None,
) -> None:
    """Compare curves by continuity, jumps, locality, and the layers until every token has reached every token."""
    from zigbench import scan

    sides = _grid(grid)
    names = curves or scan.names(len(sides))
    rows = scan.compare(names, sides)
    if csv:
        csv.write_text(scan.to_csv(rows), encoding="utf-8")
    if locality:
        locality.write_text(scan.to_csv(scan.localities(names, sides)), encoding="utf-8")
    if plot:
        from zigbench.report.figures import curves_compared, save_as  # matplotlib

        cycles = {name: scan.layer_orders(name, scan.VARIANTS, scan.VARIANTS, sides) for name in names}
        save_as(curves_compared(cycles), plot)
        err.print(f"drawn to {plot}")
    out.print(scan.table(rows), markup=False, end="")


@curves_app.command("show")
def curves_show(
    curve: Annotated[
        str,
        typer.Argument(
            metavar="CURVE", help="A registered curve.", autocompletion=completion.names_of(registry.curves)
        ),
    ],
    grid: Grid = "16x16",
    variant: Annotated[int, typer.Option(min=0, max=7, help="Which of the eight symmetries.")] = 0,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a .png or .svg instead.")] = None,
) -> None:
    """Draw a curve in the terminal, or as a picture."""
    from zigbench import scan
    from zigbench.scan import render

    order = scan.make_order(curve, _grid(grid), variant)
    if save:
        out.print(f"written to {render.save(render.figure(order), save)}")
    else:
        out.print(render.text(order), markup=False)


@curves_app.command("gallery")
def curves_gallery(
    grid: Grid = "16x16", to: Annotated[Path, typer.Option(help="The page to write.")] = REPORTS / "curves.html"
) -> None:
    """Write a page that shows every curve and variant step by step."""
    from zigbench.scan import gallery

    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(gallery.page(_grid(grid)), encoding="utf-8")
    out.print(f"gallery: [bold]{to}[/] (open it in a browser)")


def _grid(text: str) -> tuple[int, ...]:
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) not in (2, 3) or not all(side.isdigit() for side in sides):
        raise ValueError(f"grid {text!r}: write height x width, such as 32x32, or frames x height x width")
    return tuple(map(int, sides))
