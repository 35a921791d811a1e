"""Every command with its arguments and options, from the parser itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer.main

from generate.words import code, table
from zigbench.cli import app


def commands() -> str:
    """The program's own options, then a section for each command."""
    program = typer.main.get_command(app)
    head = f"## zigbench\n\n{_help(program)}\n\n{_parameters(program)}"
    return "\n".join([head, *_sections(program, "zigbench", 2)])


def _sections(group: Any, name: str, level: int) -> Iterator[str]:
    for word, command in group.commands.items():
        if command.hidden:
            continue
        full = f"{name} {word}"
        usage = " ".join([full, *(_usage(p) for p in command.params if p.param_type_name == "argument")])
        if getattr(command, "commands", None):
            yield f"{'#' * level} {full}\n\n{_help(command)}\n"
            yield from _sections(command, full, level + 1)
        else:
            options = " [OPTIONS]" if any(p.param_type_name == "option" for p in command.params) else ""
            text = f"```text\n{usage}{options}\n```\n\n{_help(command)}\n\n{_parameters(command)}"
            yield f"{'#' * level} {full}\n\n{text}"


def _help(command: Any) -> str:
    return inspect.cleandoc(command.help or "")


def _usage(parameter: Any) -> str:
    metavar = parameter.metavar or parameter.name.upper()
    return metavar if parameter.required or metavar.startswith("[") else f"[{metavar}]"


def _parameters(command: Any) -> str:
    rows = [_row(p) for p in command.params if not getattr(p, "hidden", False)]
    return table(("parameter", "meaning", "default"), rows) if rows else ""


def _row(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        name = code(_usage(parameter))
    elif parameter.is_flag:
        name = code(" / ".join([*parameter.opts, *parameter.secondary_opts]))
    else:
        name = code(f"{', '.join(parameter.opts)} {parameter.metavar or parameter.name.strip('_').upper()}")
    meaning = parameter.help or ""
    descriptor = getattr(parameter, "type_descriptor", None)
    choices = getattr(descriptor, "annotation", None)
    if isinstance(choices, type) and issubclass(choices, Enum):
        meaning += f" One of {', '.join(code(choice.value) for choice in choices)}."
    if parameter.multiple:
        meaning += " May be given more than once."
    if parameter.envvar:
        meaning += f" Also read from the environment variable {code(parameter.envvar)}."
    return name, meaning, _default(parameter)


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "required"
    if value is None or value is False or value == () or callable(value):
        return ""
    return code(value.value if isinstance(value, Enum) else value)
