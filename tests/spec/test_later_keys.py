"""Laws of a key that comes later: at its default it moves no id and no hash, otherwise it does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import create_model

from zigbench.evaluation import Protocol
from zigbench.spec import RunSpec, SamplerSpec, TrainingRun, later_key

OLD = RunSpec.parse({"backbone.name": "zigma", "data.name": "digits"})
FORMER = pytest.mark.parametrize(("former", "other"), [(None, 3), (False, True), (1.0, 2.0), ("a", "b")])


def with_key(model: type, name: str, former: Any, **more: Any) -> Any:
    return create_model(f"Later{model.__name__}", __base__=model, **{name: (Any, later_key(former, **more))})


@FORMER
def test_a_later_key_of_a_section_moves_the_id_except_at_its_default(former, other):
    later = with_key(SamplerSpec, "extra", former)
    run = create_model("LaterRun", __base__=TrainingRun, sampler=(later, later()))
    at_default = run.parse(OLD.resolved())
    assert at_default.sampler.extra == former
    assert at_default.resolved() == OLD.resolved()
    assert at_default.id == OLD.id
    changed = run.parse({**OLD.resolved(), "sampler.extra": other})
    assert changed.resolved()["sampler"]["extra"] == json.loads(json.dumps(other))
    assert changed.id != OLD.id
    assert run.parse(changed.resolved()) == changed


def test_a_later_key_outside_the_identity_moves_no_id_and_is_written_down_where_it_is_set():
    run = with_key(TrainingRun, "watched", False, identity=False)
    changed = run.parse({**OLD.resolved(), "watched": True})
    assert changed.resolved()["watched"] is True
    assert changed.id == OLD.id
    assert run.parse(OLD.resolved()).resolved() == OLD.resolved()


def test_a_later_key_of_a_protocol_moves_the_hash_except_at_its_default():
    body = Protocol(metric="fid", estimator="exact").model_dump(mode="json")
    hash_ = Protocol.model_validate(body).hash
    for former, other in ((None, "x"), ("x", None), ("x", "y")):
        later = with_key(Protocol, "extra", former)
        assert later.model_validate(body).hash == hash_
        assert later.model_validate(body).model_dump(mode="json") == body
        assert later.model_validate({**body, "extra": other}).hash != hash_
