"""The settings of the full-size suites are the published ones, key by key; the table of differences names each."""

from __future__ import annotations

from pathlib import Path

import pytest

from zigbench.launch.against import differences
from zigbench.spec import PublishedSetting, Resources, RunSpec, registry
from zigbench.suite import expand, load

ROOT = Path(__file__).resolve().parents[1]
SUITES = {name: load(name) for name in registry.suites.names() if load(name).sources}
ALIKE = [(name, None, "paper") for name in SUITES]
ALIKE += [(name, "release", "release") for name in SUITES]


def test_every_suite_that_trains_at_the_published_size_has_its_sources():
    large = {n for n in registry.suites.names() if load(n).base.get("training.steps") == 400_000}
    assert large == set(SUITES)
    assert {name for name, suite in SUITES.items() if set(suite.sources) != {"paper", "release"}} == set()


@pytest.mark.parametrize(("name", "profile", "source"), ALIKE)
def test_a_suites_settings_are_those_of_its_source(name, profile, source):
    suite = SUITES[name].profile(profile)
    assert differences(suite, list(expand(suite)), source) == []


@pytest.mark.parametrize("name", SUITES)
def test_the_paper_and_the_release_differ_in_named_keys(name):
    suite = SUITES[name]
    keys = {difference.key for difference in differences(suite, list(expand(suite)), "release")}
    assert {"optimizer.weight_decay", "optimizer.clip"} <= keys


def test_each_published_setting_stands_in_the_table_of_differences():
    text = (ROOT / "docs/differences.md").read_text(encoding="utf-8")
    settings = [s for suite in SUITES.values() for of in suite.sources.values() for s in of]
    assert [s.key for s in settings if f"`{s.key}" not in text and not s.key.startswith("resources.")] == []
    assert all(setting.source for setting in settings)


def test_a_run_that_differs_is_shown_with_both_values_the_source_and_its_arms():
    suite = SUITES["celebahq"]
    cells = list(expand(suite, {"training.batch": 81}))
    (one,) = differences(suite, cells, "paper")
    assert (one.key, one.ours, one.published, one.arms) == ("training.batch", 81, 80, ())
    assert one.source.startswith("paper")
    cells = list(expand(suite))
    cells[0] = next(expand(suite, {"optimizer.lr": 1e-3}))
    assert differences(suite, cells, "paper")[0].arms == ("u-vit",)


def test_a_source_that_a_suite_does_not_have_is_refused():
    suite = load("quickstart")
    with pytest.raises(ValueError, match="no published settings by 'paper'"):
        differences(suite, list(expand(suite)), "paper")


def test_a_setting_is_compared_as_json_and_a_key_that_a_run_has_not_is_none():
    spec, resources = RunSpec.parse({"backbone.name": "dit", "data.name": "digits"}), Resources(gpus=2)
    ours = {
        "resources.gpus": 2,
        "evaluation.at": [],
        "scan.curve": None,
        "backbone.config.drop_path": 0.0,
        "data.config.captions": None,
    }
    assert {key: PublishedSetting(key, 0, "here").ours(spec, resources) for key in ours} == ours
