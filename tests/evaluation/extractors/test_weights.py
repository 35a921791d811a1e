"""Weights: given, kept, fetched, or an error that says what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from zigbench.evaluation.extractors.weights import FOLDER, MissingWeightsError, Weights, find_weights

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def offline(monkeypatch) -> None:
    monkeypatch.setenv("ZIGBENCH_OFFLINE", "1")
    monkeypatch.delenv(FOLDER, raising=False)


def wanted(prefix: str | None = SHA256[:8], url: str = "https://example.org/w.bin") -> Weights:
    return Weights("w.bin", url, prefix)


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "w.bin").write_bytes(content)
    return folder / "w.bin"


def test_offline_and_missing_says_which_from_where_and_where_to(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        find_weights(wanted(), tmp_path)
    for part in ("w.bin", "https://example.org/w.bin", str(tmp_path / "weights" / "w.bin"), FOLDER):
        assert part in str(caught.value)


def test_a_given_file_comes_first_with_its_own_hash(tmp_path: Path) -> None:
    put(tmp_path / "weights")
    given = put(tmp_path / "mine", b"my own")
    found = find_weights(wanted(), tmp_path, given)
    assert found.path == given
    assert found.sha256 == hashlib.sha256(b"my own").hexdigest()
    with pytest.raises(MissingWeightsError, match="no file of weights"):
        find_weights(wanted(), tmp_path, tmp_path / "nowhere")


def test_the_folder_of_the_environment_comes_before_the_cache(tmp_path: Path, monkeypatch) -> None:
    kept = put(tmp_path / "weights")
    assert find_weights(wanted(), tmp_path).path == kept
    monkeypatch.setenv(FOLDER, str(tmp_path / "elsewhere"))
    assert find_weights(wanted(), tmp_path).path == kept
    other = put(tmp_path / "elsewhere")
    assert find_weights(wanted(), tmp_path).path == other


def test_a_download_is_checked_and_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("ZIGBENCH_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    source = put(tmp_path / "source").as_uri()
    found = find_weights(wanted(url=source), tmp_path / "cache")
    assert found.sha256 == SHA256
    assert (tmp_path / "cache" / "weights" / "w.bin").read_bytes() == CONTENT


def test_a_failed_download_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("ZIGBENCH_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(MissingWeightsError, match="the download failed"):
        find_weights(wanted(url=(tmp_path / "nothing").as_uri()), tmp_path / "cache")
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_another_file_under_the_published_name_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "weights", b"other")
    with pytest.raises(ValueError, match=f"begins with {SHA256[:8]}"):
        find_weights(wanted(), tmp_path)
    assert find_weights(wanted(prefix=None), tmp_path).sha256 == hashlib.sha256(b"other").hexdigest()
