"""Configs as records of the log."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from config.load import load
from connectors.log import ControlRecord, Polled
from connectors.memory_broker import MemoryBroker, MemoryReader
from flows.config_records import (
    ConfigRecordError,
    config_of,
    config_record,
    encode_config,
    first_config,
    push,
)
from tests.config_folders import copy_defaults, edit


def test_a_config_comes_out_of_the_log_as_it_was_pushed(tmp_path: Path) -> None:
    folder = copy_defaults(tmp_path)
    edit(folder, "tags.toml", "vip_spend         = 500", "vip_spend = 501")
    broker = MemoryBroker(2)
    broker.append(0, b'{"type":"track"}')
    push(broker.writer(), 2, config_record(folder))
    for partition in range(2):
        found = first_config(broker.reader(partition, 0), lambda: None)
        assert found is not None
        assert config_of(found) == load(folder)


def test_a_log_without_a_config_says_so() -> None:
    broker = MemoryBroker(1)
    broker.append(0, b'{"type":"track"}')
    assert first_config(broker.reader(0, 0), lambda: None) is None


class SilentReader(MemoryReader):
    """A reader whose broker does not answer."""

    def poll(self, count_max: int) -> Polled:
        return Polled(pieces=[], record_count=0, next_offset=0, end_offset=-1, heard=False)


def test_a_log_that_cannot_be_read_is_not_taken_for_one_without_a_config() -> None:
    with pytest.raises(OSError, match="got nothing from the broker"):
        first_config(SilentReader([], 0), lambda: None)


@pytest.mark.parametrize(
    "files",
    [
        {"../escaped.toml": ""},
        {"/tmp/escaped.toml": ""},
        {"shop.toml": "currency = 1"},
        {},
    ],
)
def test_a_record_that_is_no_config_stops_its_partition(files: dict[str, str]) -> None:
    value = msgspec.json.encode({"control": "config", "version": "0" * 12, "files": files})
    with pytest.raises(ConfigRecordError, match="at offset 7"):
        config_of(ControlRecord(kind="config", offset=7, log_ms=0, value=value))


def test_a_record_of_another_version_than_it_says_stops_its_partition() -> None:
    record = config_record(None)
    wrong = msgspec.structs.replace(record, version="0" * 12)
    value = encode_config(wrong)
    with pytest.raises(ConfigRecordError, match=f"expected version 0+, got {record.version}"):
        config_of(ControlRecord(kind="config", offset=7, log_ms=0, value=value))


def test_a_config_whose_triggers_could_be_too_large_for_the_broker_is_refused(
    tmp_path: Path,
) -> None:
    folder = copy_defaults(tmp_path)
    lists = (
        f'\n[list_{number}]\nkind = "recent"\nof = "item"\nevents = ["Product Viewed"]\nkeep = 16\n'
        for number in range(40)
    )
    with (folder / "features.toml").open("a") as file:
        file.writelines(lists)
    with pytest.raises(ConfigRecordError, match=r"at most 900,000 bytes, .* may make one of 1,"):
        config_record(folder)
