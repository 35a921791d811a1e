"""Protocols: equal for equal conditions, and different in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from zigbench.evaluation.protocol import FILE, Protocol, compare, difference, read_protocols, write_protocols

FID = Protocol(
    metric="fid", estimator="Fréchet", extractor="inception", feature="pool", weights="ab", preparation="299",
    reference="celebahq", reference_split="train", reference_count=30_000, reference_hash="cd", samples=5_000,
    indices=(0, 4_999), labels="none", solver="euler", steps=50, guidance=1.0, sampler_options={"rtol": 1e-3},
    image_range="[-1, 1]",
)  # fmt: skip


def test_equal_conditions_hash_alike_and_differ_in_nothing() -> None:
    again = Protocol.model_validate_json(FID.model_dump_json())
    assert again.hash == FID.hash
    assert difference(again, FID) == ()


@pytest.mark.parametrize("field", sorted(Protocol.model_fields.keys() - {"reference_unlabelled"}))
def test_every_condition_counts(field: str) -> None:
    value = getattr(FID, field)
    new = {int: 7, float: 2.5, tuple: (5, 9), dict: {"rtol": 1.0}}.get(type(value), "something else")
    other = FID.model_copy(update={field: new})
    assert other.hash != FID.hash
    (sentence,) = difference(FID, other)
    assert "differs" in sentence
    assert difference(other, FID) != ()


def test_labels_of_the_reference_images_are_no_condition_of_a_metric_that_compares_images() -> None:
    labelled = FID.model_copy(update={"reference_hash": "cd with labels", "reference_unlabelled": "cd"})
    assert labelled.as_seen.hash == FID.as_seen.hash == FID.hash
    assert difference(labelled, FID) == ()
    unknown = labelled.model_copy(update={"reference_unlabelled": None})
    assert unknown.hash == labelled.hash  # As recorded before the field existed.
    assert len(difference(unknown, FID)) == 1
    others = labelled.model_copy(update={"reference_unlabelled": "other images"})
    assert len(difference(others, FID)) == 1


def test_the_difference_is_said_in_words() -> None:
    other = FID.model_copy(update={"samples": 50_000, "indices": None})
    assert difference(FID, other) == (
        "the number of samples differs: 5000 against 50000",
        "the indices of the samples differs: 0–4999 against none",
    )


def test_a_folder_keeps_its_protocols(tmp_path: Path) -> None:
    kid = FID.model_copy(update={"metric": "kid"})
    write_protocols(tmp_path, [FID, kid])
    assert read_protocols(tmp_path) == {FID.hash: FID, kid.hash: kid}


def test_two_folders_are_compared_metric_by_metric(tmp_path: Path) -> None:
    kid = FID.model_copy(update={"metric": "kid"})
    for name, protocols in (("a", [FID, kid]), ("b", [FID.model_copy(update={"steps": 25})])):
        (tmp_path / name).mkdir()
        write_protocols(tmp_path / name, protocols)
    assert compare(tmp_path / "a", tmp_path / "b") == {"fid": ("the number of solver steps differs: 50 against 25",)}


def test_a_folder_without_protocols_has_none(tmp_path: Path) -> None:
    assert read_protocols(tmp_path) == {}


def test_an_edited_protocol_is_noticed(tmp_path: Path) -> None:
    write_protocols(tmp_path, [FID])
    path = tmp_path / FILE
    path.write_text(path.read_text().replace("5000", "50000"))
    with pytest.raises(ValueError, match="edited"):
        read_protocols(tmp_path)
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match="truncated or edited"):
        read_protocols(tmp_path)
