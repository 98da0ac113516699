"""Versions of models as records of the log: how one gets there, and what it says.

A version holds from its record on, in each partition. One that cannot be read stops the partition
there; the way out is a record of `beckon models rollback` behind it, for whose sake it is passed
over. So it depends on the log alone what scores are made with.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from flows.control_records import RECORD_BYTES_MAX, LogRecordError
from flows.learn_saved import Version, read_version, version_id
from flows.learn_sealed import UnreadableModelError
from flows.versions import SHORT_DIGITS


class ModelRecord(Struct, frozen=True, kw_only=True):
    """A version of a model. `data` is as published; `rollback`: an operator put it in force."""

    control: str = "model"
    model: str
    version: str
    data: bytes
    rollback: bool = False


class Named(Struct):
    """The part of a record that says of which model it is; "" where it does not."""

    model: str = ""


class ModelRecordError(LogRecordError):
    """A version in the log cannot be read: its partition stops there. `model` may be ""."""

    def __init__(self, message: str, *, offset: int, model: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.model = model


def version_name(data: bytes) -> str:
    """The name of a version that was published."""
    return version_id(data)[:SHORT_DIGITS]


def encode_model(model: str, data: bytes, *, rollback: bool = False) -> bytes:
    """The value of the record of a version."""
    record = ModelRecord(model=model, version=version_name(data), data=data, rollback=rollback)
    value = msgspec.json.encode(record)
    assert len(value) <= RECORD_BYTES_MAX, "a program's limits keep versions small"
    return value


def record_of(value: bytes) -> ModelRecord | None:
    """What the value of a record says; None of one that is no such record."""
    try:
        return msgspec.json.decode(value, type=ModelRecord)
    except msgspec.DecodeError:
        return None


def model_of(value: bytes, offset: int) -> tuple[str, Version]:
    """The model's name and its version, of a record's value at an offset of the log.

    Raises:
        ModelRecordError: it is damaged, or another version of Beckon wrote it.
    """
    model = name_of(value)
    way_out = f"`beckon models rollback {model or 'NAME'}` puts an older version in its place"
    where = f"the version of model {model or '?'} at offset {offset} of the log"
    try:
        record = msgspec.json.decode(value, type=ModelRecord)
        version = read_version(record.data)
    except (msgspec.DecodeError, UnreadableModelError) as error:
        message = f"{where}: this version of Beckon cannot read it: {error}; {way_out}"
        raise ModelRecordError(message, offset=offset, model=model) from error
    if (found := version.id[:SHORT_DIGITS]) != record.version:
        message = f"{where}: expected version {record.version}, got {found}; {way_out}"
        raise ModelRecordError(message, offset=offset, model=model)
    return model, version


def name_of(value: bytes) -> str:
    """The model that a record is of; "" where not even that can be read."""
    try:
        return msgspec.json.decode(value, type=Named).model
    except msgspec.DecodeError:
        return ""
