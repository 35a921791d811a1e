"""Dotted keys and assignments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.spec.errors import SpecError
from zigbench.spec.overrides import flatten, merge, nest, parse_assignment

KEYS = st.sampled_from("abc")
LEAVES = st.integers() | st.booleans() | st.text("xyz", max_size=2)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8).filter(
    lambda tree: isinstance(tree, dict)
)


def dotted(tree: dict, prefix: str = "") -> dict:
    flat: dict = {}
    for key, value in tree.items():
        flat |= dotted(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat


@given(TREES)
def test_dotted_and_nested_keys_mean_the_same(tree):
    assert nest(dotted(tree)) == nest(tree)


@given(TREES, TREES)
def test_merging_does_not_touch_its_arguments(base, changes):
    before = nest(base), nest(changes)
    merge(base, changes)
    assert (nest(base), nest(changes)) == before


@given(TREES)
def test_a_plain_key_replaces_and_a_dotted_one_reaches_inside(tree):
    assert merge({"a": tree}, {"a": {"b": 1}}) == {"a": {"b": 1}}
    inside = merge({"a": tree}, {"a.b": 1})["a"]
    assert inside == {**nest(tree), "b": 1}


def test_another_backbone_drops_the_old_ones_settings():
    base = {"backbone": {"name": "zigma", "patch": 2, "config": {"width": 8}}, "scan": {"curve": "hilbert"}}
    assert merge(base, {"backbone.name": "dit"}) == {"backbone": {"name": "dit", "patch": 2}}
    assert merge(base, {"backbone.name": "zigma"}) == base


@pytest.mark.parametrize(
    ("text", "value"), [("a.b=3", 3), ("a.b=hilbert", "hilbert"), ("a.b=null", None), ("a.b=[1, 2]", [1, 2])]
)
def test_assignments_read_json_and_else_text(text, value):
    assert parse_assignment(text) == ("a.b", value)


@pytest.mark.parametrize("text", ["a.b", "=3"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(SpecError, match="is not an assignment"):
        parse_assignment(text)


def test_flattening_is_undone_by_nesting():
    tree = {"a": {"b": 1, "c": {"d": [2]}}, "e": None}
    assert flatten(tree) == {"a.b": 1, "a.c.d": [2], "e": None}
    assert nest(flatten(tree)) == tree
    assert flatten({"b": 1}, "a.") == {"a.b": 1}
