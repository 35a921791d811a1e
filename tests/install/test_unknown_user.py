"""A user whom the system does not know, as in a container that runs under any number."""

from __future__ import annotations

import os
import pwd

import pytest

from zigbench.launch.clusters import VARIABLE, cluster, clusters_file
from zigbench.launch.job_notes import current_user

UNKNOWN = 54321


def test_who_has_neither_name_nor_home_is_a_number_with_the_usual_cluster() -> None:
    with pytest.raises(KeyError):
        pwd.getpwuid(UNKNOWN)
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(UNKNOWN)
            for name in ("HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", VARIABLE):
                os.environ.pop(name, None)
            right = current_user() == str(UNKNOWN) and not clusters_file().exists() and cluster()
            os._exit(0 if right else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
