"""The reference of keys: complete, with a meaning each, and equal to the committed page."""

from __future__ import annotations

from pathlib import Path

import pytest

from zigbench.cli.keys import listed, page
from zigbench.spec import RunSpec
from zigbench.spec.overrides import flatten

PAGE = Path(__file__).parents[2] / "docs/reference/spec.md"


def test_the_committed_page_is_the_output_of_the_command():
    assert PAGE.read_text(encoding="utf-8") == page(), "zigbench list keys --markdown > docs/reference/spec.md"


def test_every_key_of_a_run_is_listed_with_type_and_meaning(tiny):
    known = {key: (kind, meaning) for key, kind, _, meaning in listed("")}
    for key in flatten(RunSpec.parse(tiny).resolved()):
        assert key in known, key
    assert [key for key, (kind, meaning) in known.items() if kind and len(meaning) < 4] == []


def test_a_prefix_chooses_and_a_wrong_one_names_the_nearest():
    assert {row[0] for row in listed("sampler.")} >= {"sampler.solver", "sampler.steps"}
    assert all(row[0].startswith("sampler.") for row in listed("sampler."))
    assert any("(zigma)" in row[3] for row in listed("backbone.config.width"))
    assert next(row for row in listed("training.batch"))[:3] == ("training.batch", "integer ≥ 1", "160")
    with pytest.raises(ValueError, match=r"did you mean 'training\.ema'"):
        listed("training.emma")
