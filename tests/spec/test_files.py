import hashlib

import numpy as np
import pytest

from zigbench.spec.files import file_sha256, sha256, short_sha256, write_atomically


def test_a_digest_is_that_of_all_parts_in_one(tmp_path):
    (tmp_path / "file").write_bytes("né".encode() + bytes(3))
    whole = hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()
    assert sha256("n", "é", bytes(3)) == sha256("né", np.zeros((3, 1), np.uint8).data) == file_sha256(tmp_path / "file")
    assert sha256("né", b"", np.empty((0, 2)).data, bytes(3)) == whole
    assert short_sha256("né", bytes(3)) == whole[:16]


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "file"
    write_atomically(target, b"old")
    with pytest.raises(TypeError):
        write_atomically(target, "not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
