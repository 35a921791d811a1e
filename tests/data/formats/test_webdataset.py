"""Tar shards: never trusted, read to the end of the file, and nothing under one name twice."""

from __future__ import annotations

import io
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image

from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.samples import Label
from zigbench.data.formats.webdataset import read_members

from ..conftest import add_member


def test_an_archive_is_never_trusted(tmp_path):
    def archive(name, *, link=False):
        path = tmp_path / "bad.tar"
        with tarfile.open(path, "w") as file:
            if link:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                file.addfile(info)
            else:
                add_member(file, name, b"words")
        return path

    for name in ("../outside.txt", "/etc/outside.txt", "a/../../b.txt"):
        with pytest.raises(ValueError, match="leads out of the archive"):
            read_members(archive(name))
    with pytest.raises(ValueError, match="is a link or device"):
        read_members(archive("link.txt", link=True))
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    path = tmp_path / "train-0.tar"
    with tarfile.open(path, "w") as file:
        add_member(file, "a.latent.npy", buffer.getvalue())
    (sample,) = list_samples(tmp_path) if not (tmp_path / "bad.tar").unlink() else ()
    with pytest.raises(ValueError, match="not a plain array"):
        sample.features["latent"].read()


def test_a_tar_cut_short_is_refused(tars):
    path = tars / "train-000001.tar"
    whole = path.read_bytes()
    for share in (0.05, 0.3, 0.61, 0.9):
        path.write_bytes(whole[: int(len(whole.rstrip(b"\0")) * share)])
        with pytest.raises(ValueError, match="cut short"):
            read_members(path)


def picture(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def archive(**members: bytes) -> bytes:
    """An archive of members whose names have "_" in place of the point."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, content in members.items():
            add_member(file, name.replace("_", "."), content)
    return buffer.getvalue()


def test_archives_one_after_the_other_are_all_read(tmp_path):
    parts = [archive(a_png=picture(1), b_png=picture(2)), archive(c_png=picture(3)), archive()]
    (tmp_path / "train.tar").write_bytes(b"".join(parts))
    samples = list_samples(tmp_path)
    assert [sample.name for sample in samples] == ["train.tar:a", "train.tar:b", "train.tar:c"]
    assert [sample.picture.read() for sample in samples] == [picture(1), picture(2), picture(3)]
    (tmp_path / "train.tar").write_bytes(parts[0] + bytes(700 * 512) + parts[1])
    assert len(list_samples(tmp_path)) == 3


def test_what_follows_the_end_of_an_archive_is_read_or_refused(tmp_path):
    for after in (b"more", bytes(512 * 3) + b"more"):
        (tmp_path / "train.tar").write_bytes(archive(a_png=picture(1)) + after)
        with pytest.raises(ValueError, match=r"at \d+, after the end of an archive|is cut short"):
            list_samples(tmp_path)


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_sparse_members_are_refused(tmp_path, form):
    with open(tmp_path / "0.ppm", "wb") as file:
        file.truncate(1 << 16)
        file.seek(1 << 15)
        file.write(b"in the middle")
    done = subprocess.run(
        ["tar", f"--format={form}", "-S", "-cf", "train.tar", "0.ppm"], cwd=tmp_path, check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("this machine's tar writes no sparse archives")
    with open(tmp_path / "train.tar", "rb") as file, tarfile.open(fileobj=file) as read:
        if not any(info.issparse() for info in read):
            pytest.skip("this file system keeps no holes")
    (tmp_path / "0.ppm").unlink()
    with pytest.raises(ValueError, match=r"train\.tar: the member '0\.ppm' is stored sparsely"):
        list_samples(tmp_path)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("a.png", picture(1)), ("a.png", picture(2))], r"two members called a\.png"),
        ([("a.png", picture(1)), ("a.PNG", picture(2))], r"two members called a\.png"),
        ([("a.png", picture(1)), ("a.jpg", picture(2))], r"train\.tar:a has several pictures \(png, jpg\)"),
        ([("a.cls", b"1"), ("a.cls_id", b"2")], r"train\.tar:a has several classes \(1, 2\)"),
        ([("a.cls", b"caf\xe9")], r"train\.tar:a: its class is not text in UTF-8"),
        ([("a.txt", b"caf\xe9")], r"train\.tar:a: its captions can't be read"),
    ],
)
def test_two_things_under_one_name_are_refused(tmp_path, members, words):
    with tarfile.open(tmp_path / "train.tar", "w") as file:
        for name, content in members:
            add_member(file, name, content)
    with pytest.raises(ValueError, match=words):
        list_samples(tmp_path)


def test_classes_keep_their_numbers_and_names_that_are_no_utf_8_are_escaped(tmp_path):
    with tarfile.open(tmp_path / "train.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as file:
        for key, number in (("café", b"7"), ("b", b" 2\n"), ("c", b"2")):
            add_member(file, f"{key}.png", picture(1))
            add_member(file, f"{key}.cls", number)
    samples = {sample.name: sample.label for sample in list_samples(tmp_path)}
    assert samples == {
        "train.tar:caf\\xe9": Label("7", 7),
        "train.tar:b": Label("2", 2),
        "train.tar:c": Label("2", 2),
    }
