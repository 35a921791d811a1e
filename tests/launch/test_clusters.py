"""Profiles: the user's one file, read strictly."""

from __future__ import annotations

import pytest

from zigbench.launch.clusters import Cluster, cluster
from zigbench.spec.errors import SpecError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clusters.toml"
    path.write_text(
        'default = "lab"\n[clusters.lab]\npartition = "gpu"\nsetup = ["module load cuda"]\nmax_hours = 24\n'
        '[clusters.farm]\naccount = "us"\n'
    )
    return path


def test_a_profile_by_name_by_default_and_none(file, tmp_path):
    assert cluster("farm", file) == Cluster(account="us")
    assert cluster(None, file) == Cluster(partition="gpu", setup=("module load cuda",), max_hours=24)
    assert cluster(None, tmp_path / "absent.toml") == Cluster()


def test_a_name_that_is_not_there_is_said_with_those_that_are(file, tmp_path):
    with pytest.raises(ValueError, match=r"did you mean 'farm'.*lab, farm"):
        cluster("frm", file)
    with pytest.raises(ValueError, match="does not exist"):
        cluster("lab", tmp_path / "absent.toml")


def test_all_faults_of_a_file_are_listed(file):
    file.write_text('defalt = "lab"\n[clusters.lab]\npartitoin = "gpu"\nmax_hours = -1\n')
    with pytest.raises(SpecError) as caught:
        cluster("lab", file)
    assert len(caught.value.faults) == 3
    assert "did you mean 'partition'" in str(caught.value)
    file.write_text('default = ["lab"]\n[clusters]\nlab = 3\n')
    with pytest.raises(SpecError) as caught:
        cluster(None, file)
    assert [fault.path.removeprefix(f"{file}: ") for fault in caught.value.faults] == ["default", "clusters.lab"]
    file.write_text("[clusters")
    with pytest.raises(ValueError, match="is not TOML"):
        cluster("lab", file)
