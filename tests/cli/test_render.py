"""What the command line says of runs."""

from __future__ import annotations

import pytest

from zigbench.cli.render import reason
from zigbench.launch import Item
from zigbench.records.folder import RunFolder
from zigbench.records.record import Failure, Record
from zigbench.spec import RunSpec
from zigbench.suite import Cell


@pytest.mark.parametrize(
    ("message", "said"),
    [("no luck\nat all", "AssertionError: no luck"), ("", "AssertionError")],
)
def test_why_a_run_failed_is_said_in_a_line_whatever_its_error_said(tiny, tmp_path, message, said):
    spec = RunSpec.parse(tiny)
    folder = RunFolder.of(spec, tmp_path)
    folder.submit(spec)
    error = Failure(kind="AssertionError", message=message)
    Record(id=folder.id, status="failed", spec=spec.resolved(), error=error).write(folder.record)
    assert reason(Item(Cell({}, spec), folder, "failed")) == said
