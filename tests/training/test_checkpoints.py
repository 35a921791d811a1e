"""Laws of checkpoints: whole or not at all, known when damaged, refused when of another run."""

from __future__ import annotations

import json
import shutil

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.training import CheckpointError
from zigbench.training.checkpoints import FILES, MANIFEST, Checkpoint, CheckpointManager, DamagedCheckpointError

FACTS = {"architecture": {"w": "torch.float32 (2, 3)"}, "optimizer": {"lr": 0.1}, "seed": 0}


def checkpoint(step: int = 5) -> Checkpoint:
    w = torch.arange(6.0).reshape(2, 3)
    # A table that two layers share, and a view that is not contiguous.
    weights = {"w": w, "shared": w, "turned": w.T}
    state = {"optimizer": {"state": {0: {"exp_avg": w * 2}}}, "progress": {"step": step}, "lengths": [3, 4]}
    return Checkpoint(step, FACTS, weights, {"w": w + 1}, state)


def test_reading_returns_what_was_written(tmp_path):
    written = checkpoint()
    written.write(tmp_path / "000000005")
    read = Checkpoint.read(tmp_path / "000000005")
    assert read.step == 5
    assert read.facts == FACTS
    for name, value in written.weights.items():
        assert torch.equal(read.weights[name], value)
    assert torch.equal(read.average["w"], written.average["w"])
    assert torch.equal(read.state["optimizer"]["state"][0]["exp_avg"], torch.arange(6.0).reshape(2, 3) * 2)
    assert read.state["lengths"] == [3, 4]


def test_its_files_load_without_running_code(tmp_path):
    checkpoint().write(tmp_path / "c")
    assert torch.load(tmp_path / "c" / "state.pt", weights_only=True)["progress"] == {"step": 5}
    assert set(safetensors.torch.load_file(tmp_path / "c" / "weights.safetensors")) == {"w", "shared", "turned"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "c"
    checkpoint().write(path)
    return path


@given(name=st.sampled_from([*FILES, MANIFEST]), place=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_any_cut_or_flipped_byte_is_noticed(sound, tmp_path_factory, name, place, cut):
    path = tmp_path_factory.mktemp("damaged") / "c"
    shutil.copytree(sound, path)
    content = bytearray((path / name).read_bytes())
    at = int(place * len(content))
    if cut:
        del content[at:]
    else:
        content[at] ^= 0x15
    (path / name).write_bytes(bytes(content))
    with pytest.raises(DamagedCheckpointError):
        Checkpoint.read(path)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_noticed(sound, tmp_path, name):
    shutil.copytree(sound, tmp_path / "c")
    (tmp_path / "c" / name).unlink()
    with pytest.raises(DamagedCheckpointError, match="incomplete"):
        Checkpoint.read(tmp_path / "c")


def test_a_newer_format_is_refused_by_its_number(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "c")
    manifest = json.loads((tmp_path / "c" / MANIFEST).read_text())
    manifest["format"] = 99
    (tmp_path / "c" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DamagedCheckpointError):
        Checkpoint.read(tmp_path / "c")


def test_a_write_that_fails_leaves_nothing_and_the_old_one_stands(tmp_path):
    checkpoint().write(tmp_path / "c")
    broken = Checkpoint(5, {"seed": object()}, {}, {}, {})
    with pytest.raises(TypeError):
        broken.write(tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert Checkpoint.read(tmp_path / "c").facts == FACTS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "its seed is 0, here it is 1"),
        ({"optimizer": {"lr": 0.2}}, "its optimizer lr is 0.1, here it is 0.2"),
        ({"architecture": {"w": "torch.float32 (3, 3)"}}, r"its architecture w is torch.float32 \(2, 3\)"),
        ({"architecture": {}}, "here it is absent"),
        ({"data": "abc"}, "its data is absent, here it is abc"),
    ],
)
def test_another_run_is_refused_by_what_differs(change, words, tmp_path):
    with pytest.raises(CheckpointError, match=words):
        checkpoint().check_same_run({**FACTS, **change}, tmp_path)


def test_the_same_run_is_not_refused(tmp_path):
    assert checkpoint().check_same_run(dict(FACTS), tmp_path) is None


@given(st.integers(1, 40), st.none() | st.integers(2, 7))
def test_the_newest_two_and_every_kth_stay(tmp_path_factory, last, keep_every):
    manager = CheckpointManager(tmp_path_factory.mktemp("checkpoints"), keep_every=keep_every)
    for step in range(1, last + 1):
        manager.path(step).mkdir()
    manager.save(Checkpoint(last, {}, {}, {}, {}))
    expected = {last, last - 1}
    if keep_every:
        expected |= set(range(keep_every, last + 1, keep_every))
    assert manager.steps() == sorted(expected & set(range(1, last + 1)), reverse=True)


def test_a_damaged_one_is_named_and_the_one_before_is_used(tmp_path, caplog):
    manager = CheckpointManager(tmp_path)
    for step in (5, 7):
        manager.save(checkpoint(step))
    (manager.path(7) / "state.pt").write_bytes(b"torn")
    assert manager.newest().step == 5
    assert "000000007/state.pt" in caplog.text


def test_when_all_are_damaged_the_message_says_what_to_do(tmp_path):
    manager = CheckpointManager(tmp_path)
    manager.save(checkpoint(5))
    (manager.path(5) / MANIFEST).unlink()
    with pytest.raises(CheckpointError, match=r"no sound checkpoint.*delete"):
        manager.newest()


def test_an_empty_folder_has_none(tmp_path):
    assert CheckpointManager(tmp_path / "nowhere").newest() is None


def test_checkpoints_of_later_steps_are_removed(tmp_path):
    manager = CheckpointManager(tmp_path)
    for step in (4, 6):
        manager.save(checkpoint(step))
    manager.remove_after(4)
    assert manager.steps() == [4]
