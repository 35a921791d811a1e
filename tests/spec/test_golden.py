"""Identity: the ids of recorded specs, the hashes of recorded protocols and the runs of each suite never move.

The files in ``tests/golden`` were written from records. A spec or a protocol there is never changed; a suite's line
changes only with a suite that asks something else, in the same commit.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from zigbench.evaluation import Protocol
from zigbench.spec import RunSpec, registry
from zigbench.suite import expand, load

GOLDEN = Path(__file__).parent / "golden"


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("golden", lines("specs.jsonl"), ids=lambda golden: golden["id"])
def test_a_recorded_spec_keeps_its_id_and_resolves_to_itself(golden):
    spec = RunSpec.parse(golden["spec"])
    assert spec.id == golden["id"]
    assert spec.resolved() == golden["spec"]


def test_recorded_protocols_keep_their_hashes():
    goldens = lines("protocols.jsonl")
    assert {Protocol.model_validate(golden["protocol"]).hash for golden in goldens} == {g["hash"] for g in goldens}


def test_each_suite_asks_for_the_runs_that_it_asked_for():
    golden = json.loads((GOLDEN / "suites.json").read_text(encoding="utf-8"))
    runs = {}
    for name in registry.suites.names():
        suite = load(name)
        for profile in (None, *suite.profiles):
            ids = [cell.spec.id for cell in expand(suite.profile(profile))]
            digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
            runs[suite.profile(profile).name] = {"runs": len(ids), "ids": digest}
    assert runs == golden
