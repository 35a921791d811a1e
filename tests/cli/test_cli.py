"""The command line: one clear line for what went wrong, the right exit code, and nothing recorded lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import zigbench
from zigbench.cli import plugins_first
from zigbench.cli.render import progress_line
from zigbench.records.folder import RunFolder
from zigbench.runs.execute import Progress
from zigbench.suite import expand, load


@pytest.fixture
def one(tmp_path, tiny):
    """A suite of one tiny run in a file."""
    (tmp_path / "one.py").write_text(
        "from zigbench.suite import Suite, grid\n"
        f"suite = Suite(name='one', question='One?', base={tiny!r}, axes=(grid('seed', (0,)),))\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "quickstat"], "did you mean 'quickstart'"),
        (["plan", "none.py"], "there is no suite file none.py"),
        (["plan", "quickstart", "--set", "scan.curve=hilbrt", "--only", "arm=zigzag-8"], "did you mean 'hilbert'"),
        (["plan", "one.py", "--set", "backbone.name=zigme"], "did you mean 'zigma'"),
        (["plan", "one.py", "--set", "backbone.config.depth=-2"], "backbone.config.depth = -2"),
        (["plan", "one.py", "--set", "backbone.patch=3"], "patch 3 does not divide 8×8"),
        (["plan", "one.py", "--set", "trainng.steps=3"], "did you mean 'training'"),
        (["plan", "one.py", "--set", "training.steps"], "is not an assignment"),
        (["plan", "one.py", "--only", "sed=1"], "did you mean 'seed'"),
        (["plan", "one.py", "--only", "seed=9"], "no run matches seed=9: seed is one of 0"),
        (["plan", "one.py", "--only", "training.steps=9"], "matches training.steps=9; training.steps is one of 4"),
        (["plan", "one.py", "--arm", "a:seed=9"], "has no arms: its only axis is the seed"),
        (["plan", "one.py", "--retry", "lost"], "cannot retry 'lost'"),
        (["plan", "one.py", "--profile", "mini"], "has no profile 'mini'"),
        (["plan", "one.py", "--as", "release"], "has no profile 'release'"),
        (["plan", "one.py", "--against", "paper"], "no published settings by 'paper' to compare with"),
        (["launch", "one.py", "--on", "local", "--gpus", "2", "--set", "resources.cpu=2"], "did you mean 'cpus'"),
        (["logs", "0123"], "no run under results/runs with an id that begins with '0123'"),
        (["check", "zigme"], "did you mean 'zigma'"),
        (["check", "zigma", "--set", "training.steps=1"], "is no key of a network"),
        (["check", "zigma", "--set", "backbone.config.mixer=gal"], "did you mean 'gla'"),
        (["--plugin", "none.py", "list"], "none.py cannot be imported"),
        (["curves", "show", "hilbrt"], "did you mean 'hilbert'"),
        (["curves", "show", "hilbert", "--grid", "8"], "such as 32x32"),
    ],
)
def test_bad_input_gets_one_clear_message_and_exit_code_2(one, arguments, words):
    done = zigbench(*arguments, cwd=one)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_command_or_option_is_a_usage_error(one):
    assert zigbench("rum", "one.py", cwd=one).returncode == 2
    assert zigbench("run", "one.py", "--stepps", "3", cwd=one).returncode == 2


def test_several_faults_are_listed_at_once(one):
    done = zigbench("plan", "one.py", "--set", "seed=-1", "--set", "training.steps=0", "--set", "x.y=1", cwd=one)
    assert "the spec has 3 faults" in done.stderr


def test_a_plan_against_published_settings_names_the_key_both_values_and_the_source(tmp_path):
    alike = zigbench("plan", "coco", "--against", "paper", cwd=tmp_path)
    assert (
        "All 18 runs have the settings that the paper states, and those of the release where it is silent."
        in alike.stdout
    )
    done = zigbench("plan", "coco", "--against", "release", "--set", "training.ema=0.999", cwd=tmp_path)
    assert "optimizer.weight_decay: 0.01 here, 0.0 published (config/optim/default.yaml); all arms" in done.stdout
    assert "training.ema: 0.999 here, 0.9999 published (config/default.yaml: ema_rate); all arms" in done.stdout
    estimate = zigbench("plan", "coco", "--as", "release", cwd=tmp_path)
    assert re.search(r"about [\d,]+ GPU-hours .*: estimated .*, not measured", estimate.stdout)


def test_the_command_that_is_suggested_means_the_same_runs(one):
    (one / "mine.py").write_text(
        "import numpy as np\nfrom zigbench.scan import curve\n"
        "@curve('mine')\ndef mine(h, w, *, step=1):\n    return np.arange(h * w)\n"
    )
    chosen = ["--profile", "miniature", "--only", "arm=zigzag-8", "--set", "scan.curve=mine[step=2]"]
    options = [*chosen, "--results", "other place/runs"]
    planned = zigbench("--plugin", "mine.py", "plan", "scan_curve", *options, "--retry", "failed", cwd=one)
    assert planned.returncode == 0, planned.stderr
    hint, count = re.search(r"`zigbench (.*)` would run (\d+)", planned.stdout).groups()
    words = shlex.split(hint)
    assert words == ["--plugin", "mine.py", "run", "scan_curve", *options, "--retry", "failed"]
    again = zigbench(*("plan" if word == "run" else word for word in words), "--json", cwd=one)
    assert json.loads(again.stdout)["todo"] == int(count)


def test_plan_run_status_report_collect(one):
    planned = json.loads(zigbench("plan", "one.py", "--json", cwd=one).stdout)
    assert planned["todo"] == 1
    done = zigbench("run", "one.py", cwd=one)
    assert done.returncode == 0, done.stderr
    assert (one / "reports/one/index.html").exists()
    assert "1 ok" in zigbench("status", "one.py", cwd=one).stdout
    assert zigbench("report", "one.py", cwd=one).returncode == 0
    collected = zigbench("collect", "--csv", "all.csv", cwd=one)
    assert "1 records" in collected.stdout
    assert (one / "all.csv").read_text().count("\n") > 1
    record = one / "results/runs" / planned["runs"][0]["run"] / "record.json"
    record.write_text(record.read_text().replace('"ok"', '"OK"'))
    assert zigbench("collect", cwd=one).returncode == 1
    again = zigbench("run", "one.py", cwd=one)
    assert again.returncode == 1
    assert "--retry damaged" in again.stderr


def test_show_has_the_resolved_spec_size_and_hours_of_a_suite_and_of_a_run(one):
    assert re.fullmatch(r"zigbench \d+\.\d+\.\d+\n", zigbench("--version", cwd=one).stdout)
    suite = zigbench("show", "one.py", cwd=one)
    assert suite.returncode == 0, suite.stderr
    assert re.search(r"^sampler\.solver +euler *$", suite.stdout, re.M)
    assert re.search(r"^all +[\d,]+ +[\d.]+ MFLOP +[\d.]+ [MG]FLOP, 32 images", suite.stdout, re.M)
    assert "1 run: 1 missing; at most 1 h 00 min of runs" in suite.stdout
    run = json.loads(zigbench("plan", "one.py", "--json", cwd=one).stdout)["runs"][0]["run"]
    folder = RunFolder(one / "results/runs" / run)
    (spec,) = (cell.spec for cell in expand(load(str(one / "one.py"))))
    folder.submit(spec)
    shown = zigbench("show", run[:5], cwd=one)
    assert shown.returncode == 0, shown.stderr
    assert re.search(rf"^run +{run} *$", shown.stdout, re.M)
    assert re.search(r"^state +missing *$", shown.stdout, re.M)
    assert re.search(rf"^parameters +{spec.parameters(spec.geometry):,} *$", shown.stdout, re.M)
    assert re.search(r"^training\.steps +4 *$", shown.stdout, re.M)


def test_the_page_of_a_suite_is_of_the_whole_suite(one):
    text = (one / "one.py").read_text().replace("grid('seed', (0,))", "grid('seed', (0, 1))")
    (one / "one.py").write_text(text)
    assert zigbench("run", "one.py", "--only", "seed=1", cwd=one).returncode == 0
    page = (one / "reports/one/index.html").read_text()
    assert "1 of 2 runs finished, 1 missing" in page
    assert zigbench("report", "one.py", "--set", "training.steps=3", cwd=one).returncode == 0
    assert (one / "reports/one/index.html").read_text() == page
    assert "0 of 2 runs finished, 2 missing" in (one / "reports/one-training.steps-3/index.html").read_text()


def test_a_results_folder_that_cannot_be_written_is_one_line(one):
    (one / "file").write_text("not a folder")
    done = zigbench("run", "one.py", "--results", "file/runs", cwd=one)
    assert done.returncode == 1
    assert "file/runs" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_and_loses_no_record(one):
    disk = one / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"can't mount a small disk here: {mounted.stderr.decode().strip()}")
    try:
        first = zigbench("run", "one.py", "--results", "disk/runs", cwd=one)
        records = {path: path.read_bytes() for path in disk.glob("runs/*/record.json")}
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 4096)
        done = zigbench("run", "one.py", "--set", "seed=1", "--results", "disk/runs", cwd=one)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        assert {path: path.read_bytes() for path in disk.glob("runs/*/record.json")} == records
        filler.unlink()
        assert zigbench("run", "one.py", "--set", "seed=1", "--results", "disk/runs", cwd=one).returncode == 0
        assert first.returncode == 0, first.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_broken_plugin_is_named_and_takes_no_other_down(one, monkeypatch):
    """Packages whose plug-ins raise what nobody expects, installed beside sound ones."""
    (one / "broken_package.py").write_text("{}['what it needs']\n")
    (one / "empty_package.py").write_text("suite = 'no suite'\n")
    metadata = one / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    points = {"suites": "aa = empty_package:suite\n", "curves": "", "diagnostics": ""}
    text = "".join(f"[zigbench.{group}]\n{more}bad = broken_package:x\n" for group, more in points.items())
    (metadata / "entry_points.txt").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{one}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def zigbench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in a process that reads the installed packages anew."""
        command = [sys.executable, "-m", "zigbench.cli", *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})

    for kind, sound in (("suites", "quickstart"), ("curves", "hilbert")):
        done = zigbench("list", kind, cwd=one)
        assert done.returncode == 0, done.stderr
        assert "BROKEN" in done.stdout
        assert "KeyError: 'what it needs'" in done.stdout
        assert sound in done.stdout
    done = zigbench("report", "--all", cwd=one)
    assert done.returncode == 1
    assert (one / "reports/index.html").exists()
    assert "left out: the suite 'bad'" in done.stderr
    assert "left out: the suite 'aa'" in done.stderr
    done = zigbench("doctor", cwd=one)
    assert done.returncode == 0, done.stderr
    assert "diagnostic bad" in done.stdout
    assert "scan kernel" in done.stdout


def test_curves_are_compared_as_table_csv_and_plot(tmp_path):
    asked = ("curves", "compare", "zigzag", "hilbert", "--grid", "6x8", "--csv", "c.csv", "--plot", "deep/p.svg")
    done = zigbench(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[-2:]] == ["zigzag", "hilbert"]
    assert (tmp_path / "c.csv").read_text().count("\n") == 3
    assert "6×8" in (tmp_path / "deep/p.svg").read_text()
    wrong = zigbench("curves", "compare", "zigzag", "--grid", "4x4", "--plot", "p.gif", cwd=tmp_path)
    assert "p.gif: expected a name that ends in .svg, .png or .pdf" in wrong.stderr
    zigbench("curves", "compare", "zigzag", "hilbert", "--grid", "6x8", "--locality", "l.csv", cwd=tmp_path)
    lines = (tmp_path / "l.csv").read_text().splitlines()
    assert lines[:2] == ["curve,grid,lag,distance", "zigzag,6x8,1,1.0"]
    assert len(lines) == 1 + 2 * 47


def test_a_warning_of_ours_is_its_sentence_alone(tmp_path):
    (tmp_path / "order.json").write_text(
        json.dumps({"grid": [2, 3], "order": [0, 5, 1, 4, 2, 3], "space_filling": True})
    )
    done = zigbench("curves", "show", "file[path=order.json]", "--grid", "2x3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("zigbench: curve ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["-h"], ["plan", "-h"], ["curves", "show", "-h"]])
def test_help_has_its_short_name_too(arguments, tmp_path):
    done = zigbench(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == zigbench(*arguments[:-1], "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "plan",
        "run",
        "launch",
        "status",
        "logs",
        "cancel",
        "collect",
        "report",
        "inspect",
        "check",
        "doctor",
        "curves",
    ],
)
def test_help_says_what_a_command_does(command, tmp_path):
    done = zigbench(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.split()) > 20


def test_a_run_says_how_far_it_is_how_fast_and_for_how_long(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    assert progress_line(folder) == "starting"
    clock = iter((100.0, 110.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    progress = Progress(folder.progress)
    progress("training", 50, 200, size=16, loss=0.7, rate=0.01)
    progress("training", 100, 200, size=16, loss=0.41234, rate=0.005)
    assert progress_line(folder) == "training 100/200, loss 0.412, rate 0.005, 80 images/s, about 20 s left"


COLUMNS_CURVE = """import numpy as np
from zigbench.scan import curve


@curve("columns")
def columns(h, w):
    index = np.arange(h * w).reshape(h, w)
    index[:, 1::2] = index[::-1, 1::2]
    return index.T.reshape(-1)
"""


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        (["run", "a", "--plugin", "x.py"], ["--plugin", "x.py", "run", "a"]),
        (["run", "--plugin=x.py", "a", "--plugin", "y"], ["--plugin=x.py", "--plugin", "y", "run", "a"]),
        (["--plugin", "x.py", "run"], ["--plugin", "x.py", "run"]),
        (["run", "a", "--plugin"], ["--plugin", "run", "a"]),
        (["logs", "--", "--plugin", "x.py"], ["logs", "--", "--plugin", "x.py"]),
        ([], []),
    ],
)
def test_a_plugin_may_stand_anywhere_on_the_line(words, ordered):
    assert plugins_first(words) == ordered


def test_a_plugin_may_follow_the_command(tmp_path):
    (tmp_path / "columns.py").write_text(COLUMNS_CURVE)
    shown = zigbench("curves", "show", "columns", "--grid", "2x3", "--plugin", "columns.py", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr


def test_runs_remember_their_plugins(one):
    """Commands about runs of a plug-in, or that name it, need no reminder; a moved or edited one is named."""
    (one / "columns.py").write_text(COLUMNS_CURVE)
    own = ("--set", "scan.curve=columns")
    assert zigbench("run", "one.py", *own, "--plugin", "columns.py", cwd=one).returncode == 0
    run = next(path.parent.name for path in (one / "results" / "runs").glob("*/record.json"))
    for words in (["report", "one.py", *own], ["plan", "one.py", *own], ["show", run], ["evaluate", run[:6]],
                  ["export", run, "weights", "--to", "plain"]):  # fmt: skip
        done = zigbench(*words, cwd=one)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    unknown = zigbench("plan", "one.py", "--set", "scan.curve=hilbrt", cwd=one)
    assert "did you mean 'hilbert'" in unknown.stderr
    (one / "columns.py").write_text(COLUMNS_CURVE + "\n# Edited.\n")
    edited = zigbench("run", "one.py", *own, "--set", "seed=7", cwd=one)
    assert edited.returncode == 0
    assert "columns.py was edited since runs in results/runs were made with it" in edited.stderr
    (one / "columns.py").rename(one / "moved.py")
    lost = zigbench("plan", "one.py", *own, cwd=one)
    assert lost.returncode == 2
    assert re.search(r"unknown scan curve 'columns'.*columns\.py cannot be imported.*runs in results/runs", lost.stderr)
    assert zigbench("plan", "one.py", *own, "--plugin", "moved.py", cwd=one).returncode == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("zigbench run qu", {"quickstart"}),
        ("zigbench run on", {"one.py"}),
        ("zigbench run order --profile photographs-", {"photographs-core"}),
        ("zigbench run order --set training.st", {"training.steps="}),
        ("zigbench check dit", {"dit"}),
        ("zigbench curves show hilbert-", {"hilbert-released"}),
        ("zigbench export 01", {"0123456789abcdef"}),
        ("zigbench list key", {"keys"}),
        ("zigbench run order --set nothing.begins", set()),
    ],
)
def test_a_shell_completes_names(one, monkeypatch, line, expected):
    """As bash calls the program: with the words so far in the environment."""
    (one / "results" / "runs" / "0123456789abcdef").mkdir(parents=True)
    (one / "results" / "runs" / "0123456789abcdef" / "spec.json").write_text("{}")
    monkeypatch.setenv("_ZIGBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    offered = set(zigbench(cwd=one).stdout.split())
    assert expected <= offered
    assert all(name.startswith(line.rpartition(" ")[2]) for name in offered)
    assert expected or not offered
