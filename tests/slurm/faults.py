"""Inject every fault that a cluster has into runs, and count what is lost: ``python faults.py``.

Each run that is hit has a twin that is left alone on this machine. Once all is over the records and the logs of both
are held against each other; what differs, or is not there, is counted.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "support"))

import launch_faults
import work_faults
from campaign import Campaign, Outcome
from cluster import LocalSlurm, missing

from zigbench.spec.registry import load_plugin

SINGLE: tuple[Callable[[Campaign], None], ...] = (
    *work_faults.SINGLE, *launch_faults.SINGLE,
)  # fmt: skip


class Injection:
    """The whole campaign, from its first fault on.

    The faults that hit the whole node are over when this is made; the others, which wait for most of their time, go on
    in threads of their own.

    Args:
        slurm: the cluster.
        base: folder for results.
    """

    def __init__(self, slurm: LocalSlurm, base: Path) -> None:
        load_plugin(str(Path(__file__).with_name("paced.py")))
        self._campaign = Campaign(slurm, base)
        self._errors: list[str] = []
        self._inject(work_faults.preemption_and_node_failure)
        self._threads = [
            threading.Thread(target=self._inject, args=(fault,)) for fault in (work_faults.time_limit, *SINGLE)
        ]
        for thread in self._threads:
            thread.start()

    def outcomes(self) -> list[Outcome]:
        """Wait for all faults, and return their outcomes."""
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise RuntimeError("; ".join(self._errors))
        return list(self._campaign.outcomes.values())

    def _inject(self, fault: Callable[[Campaign], None]) -> None:
        try:
            fault(self._campaign)
        except Exception as error:
            self._errors.append(f"{fault.__name__}: {type(error).__name__}: {error}")


COUNTS = ("tried", "lost", "changed", "duplicated")


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as text."""
    head = f"{'fault':36}{''.join(f'{name:>11}' for name in COUNTS)}{'seconds':>9}  note"

    def counts(name: str, numbers: Sequence[int]) -> str:
        return f"{name:36}{''.join(f'{number:11}' for number in numbers)}"

    rows = [
        f"{counts(each.fault, [getattr(each, name) for name in COUNTS])}{each.seconds:9.0f}  {each.note}"
        for each in outcomes
    ]
    total = counts("all", [sum(getattr(each, name) for each in outcomes) for name in COUNTS])
    return "\n".join(line.rstrip() for line in (head, *rows, total))


def main() -> None:
    why = missing()
    if why:
        sys.exit(f"no SLURM can be started here: {why}")
    with tempfile.TemporaryDirectory(prefix="zb-") as name, LocalSlurm(Path(name) / "slurm", cpus=10) as slurm:
        outcomes = Injection(slurm, Path(name) / "results").outcomes()
    sys.stdout.write(table(outcomes) + "\n")
    sys.exit(any(outcome.lost or outcome.changed or outcome.duplicated for outcome in outcomes))


if __name__ == "__main__":
    main()
