"""Laws of the README's claims: each sentence that states a result is made from a record.

A bullet in "Results so far" and in "How fast?" is a sentence of reports/README.md, letter by letter; that page is made
from the packs in results/measured. The other figures are read from the benchmarks' file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORTS = (ROOT / "reports/README.md").read_text(encoding="utf-8")
BENCHMARKS = json.loads((ROOT / "results/benchmarks/two-core-xeon.json").read_text(encoding="utf-8"))


def section(title: str) -> str:
    """Return the text of a section of the README."""
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## )", README, re.DOTALL | re.MULTILINE)
    return text


def bullets(text: str) -> list[str]:
    return re.findall(r"^- .*(?:\n  .*)*", text, re.MULTILINE)


def test_every_result_is_a_sentence_of_the_reports():
    sentences = REPORTS.splitlines()
    for title in ("Results so far", "How fast?"):
        claims = bullets(section(title))
        assert claims
        for claim in claims:
            assert claim in sentences, f"no record says: {claim}"


def test_no_result_stands_outside_the_bullets():
    effect = re.compile(r"±|separated|faster|better|worse|raises|lowers|beats")
    for title in ("Results so far", "How fast?"):
        text = section(title)
        for claim in bullets(text):
            text = text.replace(claim, "")
        for fence in re.findall(r"```.*?```", text, re.DOTALL):
            text = text.replace(fence, "")
        assert not effect.search(text), effect.search(text)


def test_the_scan_is_as_much_faster_than_its_peer_as_the_benchmarks_say():
    claim = re.search(
        r"(\d+) to (\d+) times as fast as mambapy's parallel scan in inference, "
        r"and (\d+) to (\d+) times forward\s+and\s+backward",
        section("How fast?"),
    )
    assert claim
    ratios: dict[str, list[float]] = {}
    for benchmark in BENCHMARKS["benchmarks"]:
        if benchmark["name"].startswith("test_scan_against_peers"):
            facts = benchmark["extra_info"]
            ratios.setdefault(facts["mode"], []).append(facts["ratio"]["mambapy pscan"])
    inference, training = ratios["inference"], ratios["forward and backward"]
    assert [int(word) for word in claim.groups()] == [
        round(value) for value in (min(inference), max(inference), min(training), max(training))
    ]


def test_each_claim_of_speed_has_its_machine():
    assert BENCHMARKS["machine_info"]["cpu"]["brand_raw"]
    assert BENCHMARKS["commit_info"]["id"]


def test_a_run_took_as_long_as_the_records_say():
    pack = ROOT / "results/measured/two-core-xeon/order"
    frame = pd.read_parquet(pack / "curves.parquet")
    seconds = frame[frame["file"] == "telemetry.jsonl"].groupby("run")["seconds"].max()
    records = [json.loads(line) for line in (pack / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    claims = re.findall(r"(digits|photographs)(?: took)? (\d+\.\d)(?: minutes|,)", section("Results so far"))
    assert claims
    for data, minutes in claims:
        specs = {record["id"]: record["spec"] for record in records}
        runs = [i for i, s in specs.items() if s["data"]["name"] == data and s["training"]["steps"] == 1_920]
        assert float(minutes) == round(float(seconds.reindex(runs).median()) / 60, 1), data
