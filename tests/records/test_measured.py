"""The packs in the repository: every member as it was packed, every record sound, its curves and samples there."""

from __future__ import annotations

from pathlib import Path

from zigbench.records.sources import Sources

MEASURED = Path(__file__).parents[2] / "results" / "measured"


def test_the_packs_in_the_repository_are_sound():
    sources = Sources.of(MEASURED)
    records, damaged = sources.read()
    assert [*damaged, *sources.damaged()] == []
    assert len(records) == sum(pack.manifest["records"] for pack in sources.packs)
    for pack in sources.packs:
        for run, record in pack.records()[0]:
            trained = record.spec["task"] == "train" and record.status == "ok"
            assert set(run.names()) >= ({"log.jsonl", "samples.npy", "protocols.json"} if trained else set())
            assert record.id in pack.suites["runs"]
