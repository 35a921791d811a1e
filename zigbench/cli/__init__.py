"""The command ``zigbench``: parsing of arguments; every command calls functions of the other packages."""

from __future__ import annotations

import io
import itertools
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

# In the order in which the help shows their commands.
from zigbench.cli import runs, launching, status, show, logs, records, compare, packs, verify, weights, score  # isort: skip
from zigbench.cli import plugins, data, curves  # isort: skip
from zigbench import __version__
from zigbench.cli.options import app, err, out
from zigbench.spec.errors import MachineError, SpecError
from zigbench.spec.registry import load_plugin

__all__ = [
    "app", "compare", "curves", "data", "launching", "logs", "main", "packs", "plugins", "records", "runs", "score",
    "show", "status", "verify", "weights",
]  # fmt: skip


INTERRUPTED = 130
"""Exit code of a program that an interrupt stopped."""


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"zigbench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE.py|MODULE",
            help="Import this first: it registers curves, backbones, data or metrics. May stand anywhere on the line; "
            "the runs that it makes remember it.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    for name in plugin or ():
        load_plugin(name)


def plugins_first(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with each ``--plugin`` in front, where the parser takes it from anywhere.

    Args:
        words: after the program's name; those behind a ``--`` stay.
    """
    end = list(words).index("--") if "--" in words else len(words)
    front: list[str] = []
    rest: list[str] = []
    before = iter(words[:end])
    for word in before:
        if word == "--plugin":
            front += [word, *itertools.islice(before, 1)]
        else:
            (front if word.startswith("--plugin=") else rest).append(word)
    return [*front, *rest, *words[end:]]


def main() -> None:
    """Run the command; print an error as one line and exit with 2 (wrong arguments) or 1 (a fault of the machine)."""
    warnings.formatwarning = _warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # A locale without a character must not stop a command.
    try:
        code = app(args=plugins_first(sys.argv[1:]), prog_name="zigbench", standalone_mode=False)
        if code == INTERRUPTED:  # The parser returns this code on an interrupt, and prints nothing.
            raise KeyboardInterrupt
        sys.exit(code)
    except (KeyboardInterrupt, typer.Abort):
        err.print("\ninterrupted: no file is damaged; the same command resumes from here")
        _exit(INTERRUPTED)
    except SpecError as error:
        err.print(str(error), markup=False)
        _exit(2)
    except ValueError as error:
        err.print(f"zigbench: {error}", markup=False)
        _exit(2)
    except MachineError as error:
        err.print(f"zigbench: {error}", markup=False)
        _exit(1)
    except OSError as error:
        err.print(f"zigbench: {error.strerror or error}: {error.filename or ''}", markup=False)
        _exit(1)
    except Exception as error:
        # The parser's own usage errors print themselves and carry their code.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        _exit(error.exit_code)  # type: ignore[attr-defined]


_usual_warning = warnings.formatwarning


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning as text: one of this project's own without its line of code, which does not help the user."""
    if category.__module__.startswith("zigbench."):
        return f"zigbench: {message}\n"
    return _usual_warning(message, category, filename, lineno, line)


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.exit(code)
