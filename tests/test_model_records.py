"""Versions of models as records of the log: what they say, what is refused, what frees."""

from __future__ import annotations

import time

import msgspec
import pytest

from connectors.log import LogReader
from connectors.memory_broker import MemoryBroker
from flows.control_records import push_to_all
from flows.learn_model import Learner
from flows.learn_saved import publish
from flows.model_records import (
    ModelRecordError,
    encode_model,
    model_of,
    record_of,
    version_name,
)
from flows.rollbacks import Lookout, Rollbacks
from tests.learning import made_up
from tests.test_learn_model import SETTINGS

PATIENCE_SECONDS = 10.0


def published(count: int = 640) -> bytes:
    """A version that has learned from so many examples."""
    learner = Learner(SETTINGS)
    learner.learn(*made_up(count))
    return publish(learner)


def error_of(value: bytes, offset: int = 7) -> ModelRecordError:
    """What a record that cannot be read is refused with."""
    with pytest.raises(ModelRecordError, match="at offset 7 of the log") as refused:
        model_of(value, offset)
    return refused.value


def test_a_version_comes_out_of_the_log_as_it_was_published() -> None:
    data = published()
    broker = MemoryBroker(2)
    value = encode_model("churn", data)
    push_to_all(broker.writer(), 2, "model", value)
    assert [kind for log in broker.log for _, kind, _ in log] == ["model", "model"]
    model, version = model_of(broker.log[1][0][2], 0)
    assert (model, version.learned_count) == ("churn", 640)
    assert version.id.startswith(version_name(data))
    record = record_of(value)
    assert record is not None
    assert (record.data, record.rollback) == (data, False)
    assert msgspec.json.decode(value, type=dict[str, object])["control"] == "model"


def test_what_cannot_be_read_names_the_way_out() -> None:
    value = encode_model("churn", published())
    other = encode_model("churn", published(1280))
    fields = msgspec.json.decode(value, type=dict[str, object])
    wrong_name = fields | {"version": "0" * 16}
    for damaged in (
        value.replace(b'"data":"', b'"data":"AAAA'),
        msgspec.json.encode(fields | {"data": ""}),
        msgspec.json.encode(wrong_name),
        msgspec.json.encode(
            fields | {"data": msgspec.json.decode(other, type=dict[str, object])["data"]}
        ),
        b'{"model":"churn"}',
    ):
        error = error_of(damaged)
        assert error.model == "churn"
        assert "`beckon models rollback churn`" in str(error)
    error = error_of(b"\xff")
    assert (error.model, record_of(b"\xff")) == ("", None)
    assert "`beckon models rollback NAME`" in str(error)


@pytest.mark.parametrize(
    ("model", "behind", "frees"),
    [
        ("churn", encode_model("churn", published()), False),
        ("churn", encode_model("other", published(), rollback=True), False),
        ("churn", b"\xff", False),
        ("churn", encode_model("churn", published(), rollback=True), True),
        ("", encode_model("other", published(), rollback=True), True),
    ],
)
def test_a_rollback_of_the_model_frees_and_nothing_else(
    model: str, behind: bytes, *, frees: bool
) -> None:
    broker = MemoryBroker(1)
    lookout = Lookout(broker.reader(0, 0), lambda: None)
    error = ModelRecordError("cannot be read", offset=0, model=model)
    lookout.look()
    assert not lookout.has_behind(error)
    broker.append(0, b"{}")
    broker.append(0, behind, "model")
    lookout.look()
    assert lookout.has_behind(error) == frees


def test_a_rollback_is_looked_for_behind_the_version_as_the_log_grows() -> None:
    broker = MemoryBroker(2)
    bad = MODEL_ROLLBACK
    broker.append(1, bad, "model")
    broker.append(1, b"\xff", "model")
    opened: list[tuple[int, int]] = []

    def reader_from(partition: int, offset: int) -> LogReader:
        opened.append((partition, offset))
        return broker.reader(partition, offset)

    rollbacks = Rollbacks(reader_from, lambda: None)
    error = ModelRecordError("cannot be read", offset=1, model="churn")
    for _ in range(10):
        assert not rollbacks.found(1, error)
        time.sleep(0.01)
    broker.append(1, MODEL_ROLLBACK, "model")
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not rollbacks.found(1, error):
        assert time.monotonic() < give_up_at
    assert rollbacks.found(1, error)
    assert opened == [(1, 2)]


def test_several_versions_that_cannot_be_read_are_passed_over_though_nothing_lies_between() -> None:
    broker = MemoryBroker(1)
    for value in (b"\xff", MODEL_ROLLBACK, b"{}", MODEL_ROLLBACK):
        broker.append(0, value, "model")
    rollbacks = Rollbacks(broker.reader, lambda: None)
    first = ModelRecordError("cannot be read", offset=0, model="")
    second = ModelRecordError("cannot be read", offset=2, model="churn")
    third = ModelRecordError("cannot be read", offset=4, model="churn")
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    # Whoever is refused begins again with the first, as a partition does that has not committed.
    while not (rollbacks.found(0, first) and rollbacks.found(0, second)):
        assert time.monotonic() < give_up_at
    assert not rollbacks.found(0, third)


MODEL_ROLLBACK = encode_model("churn", published(), rollback=True)
