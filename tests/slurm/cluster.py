"""A SLURM of the tests' own on this machine: controller, node daemon, accounting and its database, all on loopback.

Needs the Debian packages ``slurm-wlm munge slurmdbd mariadb-server`` and root; no systemd, no container, no setting of
the machine's is touched. Partition ``main`` gives way to partition ``high``.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 120.0
"""Seconds that a daemon may take on a machine with much else to do."""

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db", "sbatch", "sacct", "setpriv")
PACKAGES = "slurm-wlm munge slurmdbd mariadb-server"

CONFIGURATION = """
ClusterName=zigbench
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={base}/munge.socket,cred_expire=5
SlurmctldPort={ctld}
SlurmdPort={slurmd}
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
MpiDefault=none
MessageTimeout=60
ReturnToService=1
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=1,batch_sched_delay=0,preempt_send_user_signal
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
MinJobAge=300
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
AccountingStoragePass={base}/munge.socket
MaxArraySize=2001
MaxJobCount=20000
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=high Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""

ACCOUNTING = """
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={dbd}
SlurmUser={user}
LogFile={base}/slurmdbd.log
PidFile={base}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mysql}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
"""

GRANTS = (
    "CREATE DATABASE IF NOT EXISTS slurm_acct; "
    "CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm'; "
    "CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY 'slurm'; "
    "GRANT ALL ON slurm_acct.* TO 'slurm'@'127.0.0.1'; GRANT ALL ON slurm_acct.* TO 'slurm'@'localhost'"
)


def missing() -> str:
    """Return the reason why there can be no cluster here; "" when there can."""
    absent = [name for name in PROGRAMS if _program(name) is None]
    if absent:
        return f"no {', '.join(absent)} (Debian: {PACKAGES})"
    return "" if os.geteuid() == 0 else "starting SLURM's daemons needs root"


@dataclass
class LocalSlurm:
    """One cluster; a context manager that starts and stops it.

    Args:
        base: folder for everything it writes; short, since sockets lie in it.
        cpus: that its one node pretends to have; it pretends to 64 GB as well.
    """

    base: Path
    cpus: int = 2
    _daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _node: subprocess.Popen[bytes] = field(init=False)
    _before: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> LocalSlurm:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self.ask("scancel", "--user", getpass.getuser())
        for daemon in reversed(self._daemons):
            _end(daemon)
        os.environ.clear()
        os.environ.update(self._before)

    def ask(self, *command: str, timeout: float = 30.0) -> str:
        """Output of one of SLURM's commands."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
        return done.stdout

    def lose_node(self) -> None:
        """The node fails with all that runs on it, and comes up again.

        Raises:
            TimeoutError: it stays away.
        """
        host = socket.gethostname().split(".")[0]
        steps = self._steps()
        self._node.kill()
        for process in steps:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._node.wait()
        self._daemons.remove(self._node)
        self.ask("scontrol", "update", f"nodename={host}", "state=down", "reason=test")
        self._start_node()
        self.ask("scontrol", "update", f"nodename={host}", "state=resume")
        _wait(self._at_service, "the lost node")

    def testimony(self) -> str:
        """Return the cluster's queue, its accounting and the ends of its logs, for a test that failed."""
        commands = ("sinfo --long --Node", "squeue --array", "scontrol show jobs", "sacct --allocations --parsable2")
        said = []
        for command in commands:
            done = subprocess.run(command.split(), capture_output=True, text=True, timeout=30, check=False)
            said.append(f"$ {command}\n{(done.stdout + done.stderr)[-4000:]}")
        for log in sorted([*self.base.glob("*.log"), *self.base.glob("*.out")]):
            tail = log.read_text(errors="replace")[-4000:]
            said.append(f"== {log.name}, alive: {[d.poll() is None for d in self._daemons]}\n{tail}")
        return "\n".join(said)

    def _start(self) -> None:
        for name in ("state", "spool", "mysql"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        self.base.chmod(0o755)
        ctld, slurmd, dbd, mysql = _free_ports(4)
        facts: Mapping[str, object] = {
            "base": self.base, "host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "cpus": self.cpus,
            "memory": 64_000, "ctld": ctld, "slurmd": slurmd, "dbd": dbd, "mysql": mysql,
        }  # fmt: skip
        self._before = dict(os.environ)
        os.environ["SLURM_CONF"] = str(self.base / "slurm.conf")
        self._munge()
        self._database(mysql)
        self._write("slurmdbd.conf", ACCOUNTING.format(**facts))
        self._daemon("slurmdbd", "-D")
        _wait(lambda: _listening(dbd), "slurmdbd")
        self._write("slurm.conf", CONFIGURATION.format(**facts))
        self.ask("sacctmgr", "--immediate", "add", "cluster", "zigbench")
        self._daemon("slurmctld", "-D", "-f", str(self.base / "slurm.conf"))
        self._start_node()
        _wait(self._idle, "the node")

    def _munge(self) -> None:
        key = self.base / "munge.key"
        self._write(key.name, secrets.token_hex(512))
        options = {"key-file": key.name, "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log"}
        paths = [f"--{name}={self.base / file}" for name, file in {**options, "seed-file": "munge.seed"}.items()]
        self._daemon("munged", "--foreground", "--force", "--num-threads=10", *paths)
        _wait((self.base / "munge.socket").exists, "munged")

    def _database(self, port: int) -> None:
        data, user = self.base / "mysql", getpass.getuser()
        options = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
        install = [
            _program("mariadb-install-db"),
            *options,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        subprocess.run(install, check=True, capture_output=True, timeout=600)
        sock = self.base / "mysql.sock"
        # Nothing here outlives the tests, so nothing waits for the disk.
        quick = ["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite", "--bind-address=127.0.0.1"]
        self._daemon("mariadbd", *options, *quick, f"--socket={sock}", f"--port={port}")
        client = ["mariadb", "--no-defaults", "-uroot", f"--socket={sock}", "-e"]

        def grants() -> bool:
            return subprocess.run([*client, GRANTS], capture_output=True, timeout=30).returncode == 0

        _wait(grants, "mariadbd")

    def _daemon(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        program = _program(name)
        assert program is not None
        with (self.base / f"{name}.out").open("wb") as output:
            # With the parent's death as a signal nothing is left behind, however the tests end.
            command = ["setpriv", "--pdeathsig", "TERM", program, *options]
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._daemons.append(daemon)
        return daemon

    def _idle(self) -> bool:
        return self._state() == ["idle"]

    def _at_service(self) -> bool:
        return self._state() in (["idle"], ["mixed"], ["allocated"], ["completing"])

    def _state(self) -> list[str]:
        done = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, timeout=30)
        return done.stdout.split()[:1]

    def _steps(self) -> list[int]:
        """Return the processes on the node: the steps' daemons, by their sockets, then their children."""
        sockets = Path("/proc/net/unix").read_text().splitlines()
        ours = {f"socket:[{line.split()[6]}]" for line in sockets if line.endswith(tuple(map(str, self._sockets())))}
        daemons = [int(link.parts[2]) for link in Path("/proc").glob("[0-9]*/fd/*") if _target(link) in ours]
        watched = subprocess.run(["scontrol", "listpids"], capture_output=True, text=True, timeout=30).stdout
        return [*sorted(set(daemons)), *(int(line.split()[0]) for line in watched.splitlines()[1:])]

    def _sockets(self) -> list[Path]:
        return [path for path in (self.base / "spool").glob("*_*.*") if path.is_socket()]

    def _start_node(self) -> None:
        self._node = self._daemon("slurmd", "-D", "-f", str(self.base / "slurm.conf"))

    def _write(self, name: str, text: str) -> None:
        path = self.base / name
        path.write_text(text)
        path.chmod(0o600)


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def _target(link: Path) -> str:
    """Return the target of a link; "" once it is gone."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} has not come within {seconds:.0f} s")
        time.sleep(0.1)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
