"""Packs on the command line: what is packed is sent, joined, read in place of run folders, and given back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from zigbench.cli import app
from zigbench.records.folder import RunFolder
from zigbench.records.record import Measurement, Record
from zigbench.suite import expand, load

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, tiny, monkeypatch: pytest.MonkeyPatch) -> Command:
    """A shell in a folder with the runs of a suite of two arms on two machines; one seed was measured on both."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZIGBENCH_RESULTS", raising=False)
    (tmp_path / "two.py").write_text(
        "from zigbench.suite import Axis, Suite, grid\n"
        "arms = Axis('arm', {'one': {'scan.schemes': 1}, 'two': {'scan.schemes': 2}})\n"
        f"suite = Suite(name='two', question='Two?', base={tiny!r}, axes=(arms, grid('seed', (0, 1))))\n"
    )
    cells = list(expand(load("two.py")))
    for machine, measured in (("A", cells[:3]), ("B", cells[2:])):
        for position, cell in enumerate(measured):
            run = RunFolder.of(cell.spec, tmp_path / machine)
            run.submit(cell.spec)
            Record(
                id=run.id,
                status="ok",
                spec=cell.spec.resolved(),
                measurements=(Measurement(name="held_out_loss", value=0.5 + position / 8, higher_is_better=False),),
                environment={"machine": {"cpu": machine, "cores": 2}},
            ).write(run.record)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return call


def states(done: Result) -> list[str]:
    return [run["state"] for run in json.loads(done.stdout)["runs"]]


def test_packs_of_two_machines_are_sent_joined_and_reported(command: Command, tmp_path: Path) -> None:
    for machine in "AB":
        done = command("pack", "two.py", "--out", f"{machine}.zip", "--author", machine, "--results", machine)
        assert done.exit_code == 0, done.output
    assert states(command("plan", "two.py", "--results", "A.zip", "--json")) == ["ok", "ok", "ok", "missing"]
    both = command("plan", "two.py", "--results", "A.zip", "--results", "B", "--json")
    assert states(both) == ["ok"] * 4

    done = command("merge", "A.zip", "B.zip", "--out", "all")
    assert done.exit_code == 0, done.output
    assert "5 records of 2 packs" in done.output
    assert "1 are repeated measurements" in done.output
    manifest = json.loads((tmp_path / "all/manifest.json").read_text())
    assert manifest["author"] == "A, B"
    labels = json.loads((tmp_path / "all/suites.json").read_text())["runs"].values()
    assert {run["two"]["arm"] for run in labels} == {"one", "two"}

    assert "5 records" in command("collect", "--results", "all").output
    assert "4" in command("status", "--results", "all").output
    assert command("report", "two.py", "--results", "all", "--reports", "pages").exit_code == 0
    page = (tmp_path / "pages/two/index.html").read_text()
    assert "measured more than once" in page
    assert "4 of 4 runs" in page

    assert command("unpack", "A.zip", "--results", "again").exit_code == 0
    for path in (tmp_path / "A").rglob("*.json"):
        assert (tmp_path / "again" / path.relative_to(tmp_path / "A")).read_bytes() == path.read_bytes()


def test_all_runs_are_packed_where_no_suite_is_named(command: Command, tmp_path: Path) -> None:
    assert "3 records" in command("pack", "--out", "all", "--results", "A").output
    assert isinstance(command("pack", "--out", "x", "--profile", "p", "--results", "A").exception, ValueError)
    assert isinstance(command("pack", "--out", "x", "--results", "nowhere").exception, ValueError)


@pytest.mark.parametrize("words", [["run", "two.py"], ["launch", "two.py", "--on", "local"], ["inspect", "two.py"]])
def test_what_writes_runs_takes_one_folder(command: Command, words: list[str]) -> None:
    command("pack", "--out", "A.zip", "--results", "A")
    for places, message in ((["A", "B"], "names 2 places"), (["A.zip"], "is a pack")):
        done = command(*words, *(word for place in places for word in ("--results", place)))
        assert isinstance(done.exception, ValueError)
        assert message in str(done.exception)


def test_damage_is_named_and_ends_with_1(command: Command, tmp_path: Path) -> None:
    command("pack", "--out", "all", "--results", "A")
    path = tmp_path / "all/records.jsonl"
    path.write_text(path.read_text().replace('"value":0.5', '"value":0.4'))
    for words in (
        ["collect", "--results", "all"],
        ["unpack", "all", "--results", "again"],
        ["merge", "all", "--out", "b"],
    ):
        done = command(*words)
        assert done.exit_code == 1, done.output
        assert "records.jsonl" in done.output
    assert len(list((tmp_path / "again").iterdir())) == 2
