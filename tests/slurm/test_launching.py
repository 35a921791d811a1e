"""Laws of launching on SLURM, through the command: nothing is run twice, and where a run is done changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from campaign import PATIENCE, substance, wait_for

from zigbench.launch import Cluster, cancel, launch_local, launch_slurm, plan
from zigbench.launch.slurm_status import read_queue
from zigbench.launch.snapshots import take_snapshot
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell

SMALL = Resources(cpus=1, memory_gb=3.0, hours=0.1)


def zigbench(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "zigbench.cli", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", "ZIGBENCH_CLUSTERS": str(cwd / "clusters.toml")},
    )


def said(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return out


@pytest.fixture
def suite(slurm, tmp_path, tiny) -> Path:
    """A suite of four tiny runs, two of them with more memory, in a folder of its own."""
    (tmp_path / "four.py").write_text(
        "from zigbench.spec import Resources\n"
        "from zigbench.suite import Axis, Suite, grid\n"
        "needs = Axis('needs', {'little': {'optimizer.lr': 1e-3}, 'much': {'resources.memory_gb': 4.0}})\n"
        f"suite = Suite(name='four', question='Four?', base={tiny!r}, axes=(needs, grid('seed', (0, 1))),\n"
        "              resources=Resources(cpus=1, memory_gb=3.0, hours=0.1))\n"
    )
    return tmp_path


def cells(tiny, count: int, resources: Resources = SMALL, **changes: object) -> list[Cell]:
    return [
        Cell({"seed": str(seed)}, RunSpec.parse({**tiny, **changes, "seed": seed}), resources) for seed in range(count)
    ]


def test_two_launches_at_once_run_nothing_twice_and_records_equal_those_made_here(slurm, suite):
    both = [zigbench("launch", "four.py", "--on", "slurm", "--snapshot", cwd=suite) for _ in range(2)]
    counts = [next((line for line in said(p).splitlines() if "runs submitted" in line), "0") for p in both]
    assert sum(int(line.split()[0]) for line in counts) == 4, counts
    runs = suite / "results/runs"
    folders = [RunFolder(path.parent) for path in sorted(runs.glob("*/spec.json"))]
    wait_for(lambda: all(folder.record.exists() for folder in folders), "four records")
    names = ",".join({RunFolder(path.parent).read_job()["token"] for path in runs.glob("*/spec.json")})
    jobs = slurm.ask("sacct", "-X", "-n", "-P", f"--name={names}", "--format=JobID", "--starttime=now-1hour").split()
    # An array for each class of resources, and every run in one of them, once.
    assert len(jobs) == 4
    assert len({job.partition("_")[0] for job in jobs}) == 2
    assert json.loads(said(zigbench("plan", "four.py", "--json", cwd=suite)))["todo"] == 0
    assert "Nothing to submit" in said(zigbench("launch", "four.py", "--on", "slurm", cwd=suite))
    assert "4 ok" in said(zigbench("status", "four.py", cwd=suite))
    assert "step 4" in said(zigbench("logs", folders[0].id[:6], "--follow", cwd=suite))
    said(zigbench("run", "four.py", "--results", "here/runs", cwd=suite))
    for folder in folders:
        assert substance(folder) == substance(RunFolder(suite / "here/runs" / folder.id))


def test_what_waits_is_pending_and_can_be_called_off(slurm, tmp_path, tiny):
    root, wanted = tmp_path / "runs", cells(tiny, 3)
    held = Cluster(options={"hold": True})
    assert launch_slurm(plan(wanted, root), held, root, name="held").runs == 3
    planned = plan(wanted, root)
    assert planned.counts() == {"pending": 3}
    assert planned.todo == ()
    assert launch_slurm(planned, held, root, name="held").runs == 0
    jobs = [item.folder.read_job()["job"] for item in planned.items]
    assert [read_queue()[job].reason for job in jobs] == ["JobHeldUser"] * 3
    assert len(cancel([item.folder for item in planned.items])) == 3
    assert plan(wanted, root).counts() == {"submitted": 3}
    assert not set(jobs) & set(read_queue())


def test_what_slurm_refuses_is_one_line(suite):
    process = zigbench("launch", "four.py", "--on", "slurm", "--partition", "none", cwd=suite)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "SLURM refuses the submission" in errors
    assert "invalid partition" in errors.lower()
    assert "Traceback" not in errors


def test_several_tasks_train_one_run_together(slurm, tmp_path, tiny):
    spec = {"training.steps": 6, "interpolant.coupling": "independent"}
    alone, together = (
        (tmp_path / name / "runs", cells(tiny, 1, Resources(cpus=1, memory_gb=6.0, tasks=tasks), **spec))
        for name, tasks in (("alone", 1), ("together", 2))
    )
    folders = []
    for root, wanted in (alone, together):
        launch_slurm(plan(wanted, root), Cluster(), root, name="tasks", frozen=True)
        folders.append(RunFolder.of(wanted[0].spec, root))
    wait_for(lambda: all(folder.record.exists() for folder in folders), "both records")
    losses = [{m.name: m.value for m in Record.read(f.record).measurements}["training_loss"] for f in folders]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    job = folders[1].read_job()["job"]
    wait_for(lambda: "2" in slurm.ask("sacct", "-n", "-P", "-j", f"{job}.0", "--format=NTasks").split(), "two tasks")


def student(tiny, teacher: Cell, objective: str, **config: object) -> Cell:
    """A run that begins with the weights of another and is taught by it."""
    weights = f"run:{teacher.spec.id}"
    taught = {"name": objective, "config": config, "teacher": weights}
    return Cell({"seed": "0"}, RunSpec.parse({**tiny, "objective": taught, "training.start": weights}), SMALL)


def test_students_wait_for_their_teacher_through_a_preemption_and_equal_their_twins(slurm, tmp_path, tiny):
    root, twins = tmp_path / "runs", tmp_path / "twins"
    # Long enough that it is requeued at work, however late a busy machine does that.
    teachers = cells(tiny, 2, **{"training.steps": 400, "training.checkpoint_every": 50})
    straight = [student(tiny, teacher, "reflow", steps=2) for teacher in teachers]
    in_one_step = [student(tiny, teacher, "progressive-distillation", steps=1) for teacher in straight]
    students = [*in_one_step, *straight]
    wanted = [*students, *teachers]
    assert launch_slurm(plan(wanted, root), Cluster(), root, name="chain").runs == 6
    folder = RunFolder.of(teachers[0].spec, root)
    wait_for(lambda: folder.checkpoint() >= 50, "a checkpoint of the teacher")
    assert not any(RunFolder.of(cell.spec, root).output.exists() for cell in (straight[0], in_one_step[0]))
    assert {item.reason for item in plan(students, root).items if item.state == "pending"} == {"Dependency"}
    slurm.ask("scontrol", "requeue", folder.read_job()["job"])
    folders = [RunFolder.of(cell.spec, root) for cell in wanted]
    wait_for(lambda: all(each.record.exists() for each in folders), "six records")
    list(launch_local(plan(wanted, twins), None, twins, workers=2))
    for each in folders:
        assert Record.read(each.record).status == "ok"
        assert substance(each) == substance(RunFolder(twins / each.id))


def test_students_of_a_teacher_that_fails_are_blocked_and_leave_the_queue(slurm, tmp_path, tiny):
    root = tmp_path / "runs"
    (teacher,) = cells(tiny, 1, **{"optimizer.lr": 1e30, "training.steps": 40})
    student = Cell({"seed": "0"}, RunSpec.parse({**tiny, "training.start": f"run:{teacher.spec.id}"}), SMALL)
    launch_slurm(plan([teacher, student], root), Cluster(), root, name="failing")
    job = RunFolder.of(student.spec, root).read_job()["job"]
    wait_for(lambda: RunFolder.of(teacher.spec, root).record.exists(), "the teacher's record")
    wait_for(lambda: job not in read_queue(), "the end of the student's job")
    _, item = plan([teacher, student], root).items
    assert item.blocked == f"needs run {teacher.spec.id}, which is diverged"
    assert not item.folder.record.exists()
    assert launch_slurm(plan([teacher, student], root), Cluster(), root, name="failing").runs == 0


def test_a_thousand_runs_are_one_array(slurm, tmp_path, tiny):
    root, wanted = tmp_path / "runs", cells(tiny, 1000)
    sent = launch_slurm(plan(wanted, root), Cluster(options={"hold": True}), root, name="many")
    assert (len(sent.jobs), sent.runs) == (1, 1000)
    planned = plan(wanted, root)
    assert planned.counts() == {"pending": 1000}
    assert len(cancel([item.folder for item in planned.items])) == 1000
    wait_for(lambda: not any(job.startswith(sent.jobs[0]) for job in read_queue()), "an empty queue")


def test_a_snapshot_is_what_runs(slurm, tmp_path):
    taken = take_snapshot(tmp_path / "snapshots")
    assert take_snapshot(tmp_path / "snapshots") == taken
    code = "import json, zigbench; from zigbench.records.environment import environment; "
    code += "print(json.dumps([zigbench.__file__, environment()['code']]))"
    script = "\n".join([*taken.setup_lines, f"{sys.executable} -c {json.dumps(code)}"])
    checkout = Path(__file__).parents[2]
    done = subprocess.run(["bash", "-c", script], cwd=checkout, capture_output=True, text=True, check=True)
    file, said = json.loads(done.stdout)
    assert Path(file).is_relative_to(taken.path)
    assert said == json.loads((taken.path / "snapshot.json").read_text())
