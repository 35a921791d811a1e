"""The guide of methods has a row for all that is registered, with a source and a test file that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def methods(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from generate import methods

    return methods


def test_every_name_has_a_definition_a_source_and_a_proof(methods):
    text = methods.methods()
    for title, kind in methods.KINDS.items():
        assert set(kind.sources) == set(kind.names), f"{title}: state the source in docs/generate/methods.py"
        assert set(kind.proofs) <= set(kind.names), title
        for name in kind.names:
            assert len(methods.definition(kind.define(name))) > 0, name
            assert (ROOT / kind.proofs.get(name, kind.proof)).is_file(), name
            assert f"| `{name}` |" in text


def test_every_name_has_a_closed_form(methods):
    rows = {row.method for row in methods.closed_forms.ROWS}
    for title in ("Objectives", "Paths", "Predictions", "Weightings", "Training times", "Couplings", "Solvers"):
        assert set(methods.KINDS[title].names) <= rows, f"{title}: add a row to tests/support/closed_forms"


def test_the_tables_of_the_page_are_those_of_the_code(methods):
    page = (ROOT / "docs/guides/methods.md").read_text(encoding="utf-8")
    assert {line for line in page.splitlines() if line.startswith("% ")} == {
        "% generated: methods",
        "% generated: methods-measured",
    }
