"""Laws of launching: what is recorded is not run again; what is killed goes on and leaves the same record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.waiting import PATIENCE, wait_until
from zigbench.launch import available_workers, launch_local, local, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell

RESOURCES = Resources(cpus=1, memory_gb=1.0)
# Long enough that a signal sent in its midst arrives there, however late a busy machine delivers it.
LONG = {"training.steps": 400, "training.batch": 16, "evaluation.metrics": ["held_out_loss"]}


def cells(tiny, *changes: dict) -> list[Cell]:
    return [Cell({"run": str(i)}, RunSpec.parse({**tiny, **change})) for i, change in enumerate(changes)]


def launch(wanted: list[Cell], root: Path, retry: tuple[str, ...] = (), workers: int = 2):
    return list(launch_local(plan(wanted, root, retry), RESOURCES, root, workers=workers))


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """The long run's record, left alone."""
    from tests.conftest import TINY

    root = tmp_path_factory.mktemp("untouched") / "runs"
    wanted = cells(dict(TINY), LONG)
    launch(wanted, root, workers=1)
    return RunFolder.of(wanted[0].spec, root)


def text_of(record: Path) -> str:
    """A record's text but for the code that it names, which may be edited while the tests run, and the checksum."""
    body = json.loads(record.read_text())
    del body["environment"]["code"], body["checksum"]
    return json.dumps(body)


def test_what_is_missing_is_run_and_what_is_recorded_is_not(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = cells(tiny, {"seed": 0}, {"seed": 1}, {"seed": 2})
    events = launch(wanted, root)
    assert [e.status for e in events if e.kind == "finished"] == ["ok"] * 3
    before = {cell.spec.id: (root / cell.spec.id / "record.json").read_bytes() for cell in wanted}
    assert launch(wanted, root) == []
    (extra,) = cells(tiny, {"seed": 3})
    assert [e.run for e in launch([*wanted, extra], root) if e.kind == "finished"] == [extra.spec.id]
    assert {run: (root / run / "record.json").read_bytes() for run in before} == before


def test_equal_specs_leave_equal_records(tmp_path, tiny):
    wanted = cells(tiny, {})
    records = []
    for name in "ab":
        launch(wanted, tmp_path / name)
        records.append(text_of(tmp_path / name / wanted[0].spec.id / "record.json"))
    assert records[0] == records[1]


def test_a_killed_worker_loses_nothing(tmp_path, tiny, untouched):
    root = tmp_path / "runs"
    wanted = cells(tiny, LONG)
    folder = RunFolder.of(wanted[0].spec, root)
    events = []
    for event in launch_local(plan(wanted, root), RESOURCES, root, workers=1):
        events.append(event.kind)
        if event.kind == "started" and "lost" not in events:
            wait_until(lambda: folder.read_progress().get("done", 0) > 100)
            os.kill(folder.holder()["pid"], signal.SIGKILL)
    assert events == ["started", "lost", "started", "finished"]
    assert text_of(folder.record) == text_of(untouched.record)
    assert folder.log.read_bytes() == untouched.log.read_bytes()


def test_several_tasks_do_a_run_together_and_none_dies_alone(tmp_path, tiny, untouched):
    root = tmp_path / "runs"
    wanted = [Cell({"run": "0"}, RunSpec.parse({**tiny, **LONG}), Resources(tasks=2, memory_gb=1.0))]
    folder = RunFolder.of(wanted[0].spec, root)
    events = []
    for event in launch_local(plan(wanted, root), None, root):
        events.append(event.kind)
        if event.kind == "started" and "lost" not in events:
            wait_until(lambda: folder.read_progress().get("done", 0) > 100)
            leader = folder.holder()["pid"]
            (other,) = map(int, Path(f"/proc/{leader}/task/{leader}/children").read_text().split())
            os.kill(other, signal.SIGKILL)
    assert events == ["started", "lost", "started", "finished"]
    wait_until(lambda: not Path(f"/proc/{other}").exists())
    together, alone = (Record.read(found.record) for found in (folder, untouched))
    assert together.status == "ok", together.error
    assert [m.name for m in together.measurements] == [m.name for m in alone.measurements]
    for mine, theirs in zip(together.measurements, alone.measurements, strict=True):
        assert mine.value == pytest.approx(theirs.value, rel=1e-3), mine.name


def test_a_worker_that_dies_twice_leaves_a_record_that_says_so(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = cells(tiny, LONG)
    folder = RunFolder.of(wanted[0].spec, root)
    for event in launch_local(plan(wanted, root), RESOURCES, root, workers=1):
        if event.kind == "started":
            wait_until(lambda: folder.holder() is not None)
            os.kill(folder.holder()["pid"], signal.SIGKILL)
    record = Record.read(folder.record)
    assert record.status == "failed"
    assert "SIGKILL" in record.error.message
    assert plan(wanted, root).todo == ()
    assert len(plan(wanted, root, ["failed"]).todo) == 1


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_a_launcher_that_is_stopped_goes_on_where_it_was(tmp_path, tiny, untouched, signal_):
    root = tmp_path / "runs"
    suite = tmp_path / "one.py"
    base = {**tiny, **LONG}
    suite.write_text(
        "from zigbench.suite import Suite, grid\n"
        f"suite = Suite(name='one', question='One?', base={base!r}, axes=(grid('seed', (0,)),))\n"
    )
    command = [sys.executable, "-m", "zigbench.cli", "run", str(suite), "--results", str(root)]
    command += ["--reports", str(tmp_path / "reports")]
    folder = root / untouched.id
    first = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that were themselves started in the background of a script would hand on that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: RunFolder(folder).read_progress().get("done", 0) > 100)
    worker = RunFolder(folder).holder()["pid"]
    first.send_signal(signal_)
    _, errors = first.communicate(timeout=PATIENCE)
    assert first.returncode == (-signal.SIGKILL if signal_ is signal.SIGKILL else 130)
    assert signal_ is signal.SIGKILL or "the same command resumes from here" in errors
    wait_until(lambda: not Path(f"/proc/{worker}").exists())
    assert not (folder / "record.json").exists()
    assert not list(folder.glob("*.tmp*"))
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert text_of(folder / "record.json") == text_of(untouched.record)
    third = subprocess.run(command, capture_output=True, text=True)
    assert "nothing is left to do" in third.stdout


def test_a_failure_is_a_record_and_takes_no_other_run_down(tmp_path, tiny):
    root = tmp_path / "runs"
    # A rate at which any network leaves the finite numbers.
    wanted = cells(tiny, {"optimizer.lr": 1e30, "training.steps": 50, "optimizer.clip": 1e30}, {"seed": 1})
    events = launch(wanted, root)
    statuses = {e.run: e.status for e in events if e.kind == "finished"}
    assert statuses == {wanted[0].spec.id: "diverged", wanted[1].spec.id: "ok"}
    record = Record.read(RunFolder.of(wanted[0].spec, root).record)
    assert record.error.kind == "DivergedError"
    assert "zigbench/runs/execute.py" in record.error.traceback
    assert str(Path(__file__).parents[1]) not in record.error.traceback


def test_a_run_that_another_holds_is_left_to_it(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = cells(tiny, {"seed": 0}, {"seed": 1})
    folder = RunFolder.of(wanted[0].spec, root)
    folder.submit(wanted[0].spec)
    with folder.lock():
        assert [item.state for item in plan(wanted, root).items] == ["running", "missing"]
        statuses = {e.run: e.status for e in launch(wanted, root) if e.kind == "finished"}
    assert statuses == {wanted[1].spec.id: "ok"}


def test_a_damaged_record_is_planned_only_when_asked_for(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = cells(tiny, {})
    launch(wanted, root)
    record = RunFolder.of(wanted[0].spec, root).record
    whole = text_of(record)
    record.write_bytes(record.read_bytes()[:-30])
    assert plan(wanted, root).todo == ()
    assert plan(wanted, root).counts() == {"damaged": 1}
    launch(wanted, root, retry=("damaged",))
    assert text_of(record) == whole


def test_a_state_that_cannot_be_retried_is_refused(tmp_path, tiny):
    with pytest.raises(ValueError, match="cannot retry 'ok'"):
        plan(cells(tiny, {}), tmp_path, ["ok"])


def test_workers_are_bounded_by_cores_memory_and_runs():
    assert available_workers(Resources(cpus=1, memory_gb=0.001), 1) == 1
    assert available_workers(Resources(cpus=10_000), 5) == 1
    assert available_workers(Resources(cpus=1, memory_gb=1e9), 5) == 1
    assert available_workers(Resources(tasks=10_000, memory_gb=0.001), 5) == 1


@given(st.integers(0, 16), st.integers(1, 16), st.integers(0, 40))
def test_workers_have_devices_of_their_own(count, each, worker):
    devices = tuple(map(str, range(count)))
    workers = count // each
    shares = [local.share_gpus(devices, each, i) for i in range(workers)]
    taken = [device for share in shares for device in share]
    assert len(set(taken)) == len(taken) == workers * each
    # One too many shares with another, and one that asks for more than there is has them all.
    assert local.share_gpus(devices, each, worker) == (shares[worker % workers] if workers else devices)
    assert local.share_gpus(devices, 0, worker) == ()


@pytest.mark.parametrize(
    ("chosen", "found"),
    [("", ()), ("-1", ()), ("0", ("0",)), ("2, 5", ("2", "5")), ("GPU-4f,MIG-7a", ("GPU-4f", "MIG-7a"))],
)
def test_the_choice_made_for_this_process_is_heard(monkeypatch, chosen, found):
    monkeypatch.setenv(local.VISIBLE, chosen)
    assert local.visible_gpus() == found


def test_the_driver_counts_where_no_choice_is_made(monkeypatch, programs):
    monkeypatch.delenv(local.VISIBLE, raising=False)
    programs(
        **{"nvidia-smi": "echo 'GPU 0: H (UUID: GPU-1)'; echo '  MIG 1g: (UUID: M)'; echo 'GPU 1: H (UUID: GPU-2)'"}
    )
    assert local.visible_gpus() == ("0", "1")
    programs(**{"nvidia-smi": "echo 'no driver'; exit 9"})
    assert local.visible_gpus() == ()


def test_workers_are_bounded_by_gpus(monkeypatch):
    def most(chosen: str, **asked: float) -> int:
        monkeypatch.setenv(local.VISIBLE, chosen)
        return available_workers(Resources(memory_gb=0.001, **asked), 2)

    bound = most("", gpus=1)
    assert most("0,1", gpus=1) == bound
    assert most("0", gpus=1) == most("0,1,2", gpus=2) == most("0", gpus=8) == 1
    assert most("0", gpus=0) == bound


def test_a_worker_is_told_its_devices(tmp_path, tiny, monkeypatch):
    # No such device is here: the runs are computed on the CPU, by workers that were told all the same.
    monkeypatch.setenv(local.VISIBLE, "7,9")
    plugin = tmp_path / "telling.py"
    plugin.write_text(
        "import os\nfrom zigbench.spec.registry import backbones\nfrom zigbench.spec import BackboneConfig\n"
        "@backbones.register('telling')\nclass Config(BackboneConfig):\n    network = f'{__name__}:tell'\n"
        "def tell(config, geometry):\n    raise ValueError(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    monkeypatch.setenv("ZIGBENCH_PLUGINS", str(plugin))
    asked = Resources(gpus=1, cpus=1, memory_gb=1.0)
    cells = [Cell({}, RunSpec.parse({"backbone.name": "telling", "data.name": "digits", "seed": i})) for i in range(2)]
    root = tmp_path / "runs"
    for _ in launch_local(plan(cells, root), asked, root, workers=2):
        pass
    told = [Record.read(RunFolder.of(cell.spec, root).record).error.message for cell in cells]
    assert set(told) <= {"7", "9"}
