"""Configs as records of the log: how a version gets there, and what is in force."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from config.load import PACKAGED, load
from config.problems import ConfigError
from config.schema import Config
from config.toml_files import JOURNEYS_FOLDER
from connectors.log import ControlRecord, LogReader, LogWriter
from flows.control_records import (
    RECORD_BYTES_MAX,
    LogRecordError,
    push_to_all,
    records_ahead,
)
from flows.render_plan import bytes_max
from state.store import Snapshot

MODELS_FILE = "models.toml"


class ConfigRecord(Struct, frozen=True, kw_only=True):
    """A version of the config: its files by name below the folder, as texts."""

    control: str = "config"
    version: str
    files: dict[str, str]


class ConfigRecordError(LogRecordError):
    """A config in the log cannot be read: its partition stops there."""


def config_record(directory: Path | None) -> ConfigRecord:
    """The record of a config folder (None: the packaged one).

    Raises:
        ConfigError: the folder has problems; all of them.
        ConfigRecordError: a trigger of its could be larger than a record may be.
    """
    config = load(directory)
    check_trigger_size(config)
    folder = directory or PACKAGED
    paths = [*sorted(folder.glob("*.toml")), *sorted((folder / JOURNEYS_FOLDER).glob("*.toml"))]
    files = {str(path.relative_to(folder)): path.read_text("utf-8-sig") for path in paths}
    return ConfigRecord(version=config.version, files=files)


def check_trigger_size(config: Config) -> None:
    """Refuse a config whose triggers the broker might not take: one would hold up all behind it."""
    size = bytes_max(config)
    if size > RECORD_BYTES_MAX:
        raise ConfigRecordError(
            f"expected triggers of at most {RECORD_BYTES_MAX:,} bytes, got features that may make "
            f"one of {size:,}; have fewer or shorter lists (kind recent) in features.toml"
        )


def encode_config(record: ConfigRecord) -> bytes:
    """The record's value.

    Raises `ConfigRecordError` if it is larger than a record may be.
    """
    value = msgspec.json.encode(record)
    if len(value) > RECORD_BYTES_MAX:
        raise ConfigRecordError(
            f"expected a config of at most {RECORD_BYTES_MAX:,} bytes, got {len(value):,}; "
            "leave out what is commented out, or split the shop"
        )
    return value


def config_of(record: ControlRecord) -> Config:
    """The config of a record of the log.

    Raises `ConfigRecordError`: the record is damaged, or another version of Beckon wrote it.
    """
    where = f"the config at offset {record.offset} of the log"
    try:
        decoded = msgspec.json.decode(record.value, type=ConfigRecord)
    except msgspec.DecodeError as error:
        raise ConfigRecordError(f"{where}: expected a config record, got: {error}") from error
    with tempfile.TemporaryDirectory(prefix="beckon-config-") as name:
        folder = Path(name)
        (folder / JOURNEYS_FOLDER).mkdir()
        for file, text in decoded.files.items():
            path = folder / file
            if path.resolve().parent not in (
                folder.resolve(),
                (folder / JOURNEYS_FOLDER).resolve(),
            ):
                raise ConfigRecordError(f"{where}: expected files of a config folder, got {file!r}")
            path.write_text(text, "utf-8")
        try:
            config = load(folder)
        except ConfigError as error:
            raise ConfigRecordError(
                f"{where}: this version of Beckon cannot read it: {error}; "
                "run the version that pushed it, or push it again with `beckon config push`"
            ) from error
    if config.version != decoded.version:
        raise ConfigRecordError(
            f"{where}: expected version {decoded.version}, got {config.version}; "
            "run the version of Beckon that pushed it, or push it again"
        )
    return config


def stored_config(snapshot: Snapshot) -> ControlRecord | None:
    """The record of the config that profiles were made with, where they keep it.

    The log may have forgotten it. Its offset is not known: it is told as that of the snapshot.
    """
    if not snapshot.config:
        return None
    at = snapshot.checkpoint
    return ControlRecord(
        kind="config", offset=at.next_offset, log_ms=at.clock_ms, value=snapshot.config
    )


def push(writer: LogWriter, partitions: int, record: ConfigRecord) -> None:
    """One record to every partition; raises `OSError` when they are not acknowledged."""
    push_to_all(writer, partitions, "config", encode_config(record))


def first_config(reader: LogReader, pause: Callable[[], None]) -> ControlRecord | None:
    """The first config record that a reader meets; None when the log has none up to its end.

    `pause` waits for some 10 ms while the broker fetches.

    Raises:
        OSError: the log could not be read to its end: whether it has one is not known.
    """
    return next(records_ahead(reader, "config", pause), None)


def has_models(record: ControlRecord) -> bool:
    """Whether a config's record has a file of models."""
    try:
        return MODELS_FILE in msgspec.json.decode(record.value, type=ConfigRecord).files
    except msgspec.DecodeError:
        return False


def version_of(record: ControlRecord) -> str:
    """The version that a config's record says it is; "" where it cannot be read."""
    try:
        return msgspec.json.decode(record.value, type=ConfigRecord).version
    except msgspec.DecodeError:
        return ""
