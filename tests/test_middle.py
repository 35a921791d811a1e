"""The middle profiles: one GPU, about a day for at most eight arms, one network of 5 to 20 million parameters."""

from __future__ import annotations

import pytest

from zigbench.launch.estimate import gpu_hours
from zigbench.spec import registry
from zigbench.suite import expand, load

NAMES = [name for name in registry.suites.names() if "middle" in load(name).profiles]


def test_the_suites_of_the_scan_question_have_one():
    assert set(NAMES) >= {"scan_order", "scan_curve", "receptive_field", "position_embedding"}


@pytest.mark.parametrize("name", NAMES)
def test_a_middle_profile_is_one_network_in_at_most_eight_arms_and_three_seeds(name):
    suite = load(name).profile("middle")
    cells = list(expand(suite))
    sizes = [cell.spec.parameters(cell.spec.geometry) for cell in cells]
    assert len({cell.labels["arm"] for cell in cells}) <= 8
    assert {cell.labels["seed"] for cell in cells} == {"0", "1", "2"}
    assert {cell.spec.geometry.tokens for cell in cells} == {256}
    assert {(cell.resources.gpus, cell.resources.nodes) for cell in cells} == {(1, 1)}
    assert 5e6 < min(sizes) <= max(sizes) < min(20e6, 1.05 * min(sizes))
    assert {(s.training.steps, s.training.batch, s.data) for s in (cell.spec for cell in cells)} == {
        (30_000, 128, cells[0].spec.data)
    }
    assert gpu_hours(cell.spec for cell in cells) < 30


@pytest.mark.parametrize("name", NAMES)
def test_every_contrast_of_a_middle_profile_has_its_arms(name):
    suite = load(name).profile("middle")
    arms = {cell.labels["arm"] for cell in expand(suite)}
    assert {arm for contrast in suite.contrasts for arm in (contrast.a, contrast.b)} <= arms
