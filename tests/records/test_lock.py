"""Laws of locks: a passing error ends no heartbeat, an overtaken holder notices, damaged files hold nothing."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from zigbench.records import lock as lock_module
from zigbench.records.lock import BusyError, LostLockError, RunLock
from zigbench.spec import files


def silence(path: Path) -> None:
    """Let a lock's last heartbeat lie so long ago that the lock is stale."""
    os.utime(path, (time.time() - lock_module.STALE_AFTER - 1,) * 2)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES, errno.ENOENT])
def test_a_passing_error_ends_no_heartbeat(tmp_path, monkeypatch, number):
    monkeypatch.setattr(lock_module, "HEARTBEAT", 0.01)
    failed = []
    real = os.utime

    def fail_twice(path: Path, *arguments: object) -> None:
        if len(failed) < 2:
            failed.append(path)
            raise OSError(number, os.strerror(number), str(path))
        real(path, *arguments)

    with RunLock(tmp_path).hold() as held:
        monkeypatch.setattr(os, "utime", fail_twice)
        wait_until(lambda: len(failed) == 2)
        real(held.path, (0, 0))
        wait_until(lambda: held.path.stat().st_mtime > 0)
        held.check()


def test_a_folder_that_is_away_for_a_moment_ends_no_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "HEARTBEAT", 0.01)
    (tmp_path / "run").mkdir()
    with RunLock(tmp_path / "run").hold() as held:
        (tmp_path / "run").rename(tmp_path / "away")
        time.sleep(0.05)
        (tmp_path / "away").rename(tmp_path / "run")
        os.utime(held.path, (0, 0))
        wait_until(lambda: held.path.stat().st_mtime > 0)
        held.check()


def test_a_stopped_holder_that_was_overtaken_notices_and_removes_nothing(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom zigbench.records.lock import LostLockError, RunLock\n"
        "with RunLock(Path(sys.argv[1])).hold() as held:\n    held.check()\n    print('held', flush=True)\n"
        "    sys.stdin.readline()\n    try:\n        held.check()\n    except LostLockError as error:\n"
        "        print('lost:', error, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=-1, stdout=-1, text=True)
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(BusyError, match=str(process.pid)), RunLock(tmp_path).hold():
        pass
    silence(tmp_path / "claim.0")
    with RunLock(tmp_path).hold() as held:
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate("\n")
        assert output.startswith("lost: this was taken over")
        held.check()
    assert not list(tmp_path.iterdir())


def test_a_lock_of_the_same_number_is_another_lock(tmp_path):
    with RunLock(tmp_path).hold() as first:
        first.path.unlink()
        with pytest.raises(LostLockError):
            first.check()
        with RunLock(tmp_path).hold() as second:
            assert second.path == first.path
            with pytest.raises(LostLockError):
                first.check()
            first.release()
            second.check()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\0" * 40])
def test_a_damaged_lock_holds_nothing_and_is_named(tmp_path, caplog, content):
    path = tmp_path / "claim.3"
    path.write_text(content)
    silence(path)
    assert RunLock(tmp_path).holder() is None
    with RunLock(tmp_path).hold() as held:
        assert held.path.name == "claim.4"
    assert str(path) in caplog.text
    assert not list(tmp_path.iterdir())


def test_files_of_similar_names_are_no_locks(tmp_path):
    for name in ("claim", "claim.", "claim.txt", "claim.-1", ".claim.0", "claimed.7"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "claim.9").mkdir()
    silence(tmp_path / "claim.9")
    assert RunLock(tmp_path).holder() is None
    with RunLock(tmp_path).hold() as held:
        assert held.path.name == "claim.10"
    assert not held.path.exists()


def test_one_contender_wins_where_files_have_one_name(tmp_path, monkeypatch):
    def refuse(*paths: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links")

    monkeypatch.setattr(files.os, "link", refuse)
    with RunLock(tmp_path).hold():
        with pytest.raises(FileExistsError):
            files.write_atomically(tmp_path / "claim.0", b"another", replace=False)
        assert json.loads((tmp_path / "claim.0").read_text())["pid"] == os.getpid()
    assert not list(tmp_path.iterdir())
