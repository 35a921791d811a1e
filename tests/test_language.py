"""Language: a function's docstring begins with a verb, names are nouns of the field, and sentences are plain.

The lists are the rules of CONTRIBUTING ("Language"). A word is judged as a whole part of a name: ``kept`` and
``kept_runs`` are out, ``skeptic`` is not. Functions under ``@curve`` are exempt from the verb: users read their
docstrings as descriptions of the curve.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for room in ("zigbench", "backbones", "suites") for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXTS = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "zigbench").rglob("*.j2"), ROOT / "README.md"])

RELATIVE = {
    "What", "Whether", "Whose", "How", "Which", "Where", "When", "Why", "Who", "Whatever", "Whoever", "That", "Those",
    "The", "A", "An", "All", "Every", "Each", "Any", "Some", "No", "One", "Its", "Their", "It", "They", "As", "In",
}  # fmt: skip
"""Words that a function's docstring does not begin with; a property's or a class's may name the thing ("The …")."""

NOT_FOR_THINGS = {"What", "Whether", "Whose", "How", "Which", "Where", "When", "Why", "Who", "Whatever", "Whoever"}
"""Words that no docstring begins with, unless its first sentence is a question."""

OUT = {
    "said", "told", "asked", "found", "made", "kept", "whose", "mine", "theirs", "lacking", "lacks", "most",
    "settle", "bury", "blame", "teach", "hand", "shelf", "apart", "grave", "duel", "dial", "aftermath",
}  # fmt: skip
"""Words that are no part of a name: past participles and relative words say nothing of what a value is."""

OUT_OF_SENTENCES = re.compile(
    r"""\b(?:
    can(?:'t|not)\ be\ told | told\ apart | tell\ \w+\ apart     # "not separated", "distinguished"
    | asks\ for | (?:is|are|were|was)\ asked\ for               # "needs", "requires", "requests"
    | what\ it\ asks | asks\ nothing
    | half-written                               # "no incomplete file"
    | left\ behind | left\ alone | left\ as\ it\ is              # "remains", "is not changed", "uninterrupted"
    | in\ (?:its|their|one's)\ hands? | at\ hand | lays?\ hands
    | (?:grave|(?<!the-)shelf|bury|buried|buries|aftermath|duel|duels)\b
    | takes\ (?:it|them|the\ runs)\ up\ again | goes\ on\ with     # "resumes"
    | in\ other\ words | so\ to\ speak | needless\ to\ say
    | goes\ with\ the\ (?:next\ )?version                        # "the next version removes it"
    | sign(?:s)?\ of\ life                                      # "heartbeat"
    )""",
    re.VERBOSE | re.IGNORECASE,
)
"""Phrases that are out of docstrings, of messages and of the documentation, each with what to write in its place."""


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield line, first word and whether it is a function's, of every docstring in ``tree``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            continue
        text = ast.get_docstring(node)
        if not text:
            continue
        marks = {ast.unparse(mark).split(".")[-1].split("(")[0] for mark in getattr(node, "decorator_list", [])}
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not marks & {
            "property",
            "cached_property",
        }
        if "curve" in marks:  # describes the curve to users of `zigbench curves`
            continue
        if "?" in text.split("\n\n")[0]:
            continue
        yield getattr(node, "lineno", 1), re.split(r"[\s,:;.]", text.strip(), maxsplit=1)[0], function


def sentences(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string in ``tree``: docstrings, messages, captions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that ``tree`` defines: functions, classes, arguments, variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def parts(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def phrases(text: str) -> list[str]:
    """Return the phrases of a text that are out, across line breaks."""
    return [match[0] for match in OUT_OF_SENTENCES.finditer(" ".join(text.split()))]


def is_verb(word: str) -> bool:
    """Return whether a docstring's first word may be an imperative: no formula, no plural, no "Returns"."""
    return bool(re.fullmatch(r"[A-Z][a-z]+", word)) and (not word.endswith("s") or word.endswith("ss"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_begin_with_a_verb_and_names_are_nouns(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    faults = [
        f"line {line}: the docstring begins with {word!r}; begin with a verb and its object"
        for line, word, function in docstrings(tree)
        if word in NOT_FOR_THINGS or (function and (word in RELATIVE or not is_verb(word)))
    ]
    faults += [
        f"line {line}: the name {name!r} has a word that is out" for line, name in names(tree) if parts(name) & OUT
    ]
    faults += [f"line {line}: {phrase!r} is out" for line, text in sentences(tree) for phrase in phrases(text)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_of_tests_begin_with_no_relative_word(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [(line, word) for line, word, _ in docstrings(tree) if word in NOT_FOR_THINGS]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_plain(path):
    assert not phrases(path.read_text(encoding="utf-8"))


def test_the_rules_catch_what_they_are_for():
    tree = ast.parse('def f(kept_runs):\n    "Whether it is done."\n    said = 1\n')
    assert [(word, function) for _, word, function in docstrings(tree)] == [("Whether", True)]
    assert [name for _, name in names(tree) if parts(name) & OUT] == ["kept_runs", "said"]
    assert not parts("skeptic") & OUT
    assert [is_verb(word) for word in ("Return", "Pass", "Returns", "Gradients", "x")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert phrases("The two can't be\ntold apart.") == ["can't be told"]
