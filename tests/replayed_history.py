"""A shop's history, replayed with a config whose examples close soon, into a state."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from config.load import load
from config.schema import Config
from connectors.log import ControlRecord
from flows.cli import beckon
from flows.config_records import config_record, encode_config
from flows.exits import DONE, run_command
from flows.model_records import record_of
from state.file_store import FileStore
from tests.config_folders import copy_defaults, edit
from tests.simulated import simulated


class History(NamedTuple):
    """What was replayed: its config, as a folder and as a record; examples; the last versions."""

    folder: Path
    config: Config
    record: ControlRecord
    state: Path
    examples: list[bytes]
    versions: dict[str, str]


def replayed_history(into: Path) -> History:
    """Ten days of some hundred users."""
    (into / "config").mkdir()
    folder = copy_defaults(into / "config")
    edit(folder, "models.toml", 'within    = "7d"', 'within    = "30h"')
    edit(folder, "models.toml", 'every     = "7d"', 'every     = "6h"')
    log = into / "events.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in simulated(users=500, days=10, seed=9).lines))
    options = ("--config", folder, "--state", into / "state", "--examples", into / "examples")
    assert run_command(beckon, [str(part) for part in ("replay", log, *options)]) == DONE
    with closing(FileStore(into / "state")) as store:
        snapshot = store.load(0)
    assert snapshot is not None
    records = [record_of(value) for value in snapshot.models.values()]
    value = encode_config(config_record(folder))
    return History(
        folder=folder,
        config=load(folder),
        record=ControlRecord(kind="config", offset=0, log_ms=0, value=value),
        state=into / "state",
        examples=(into / "examples").read_bytes().splitlines(),
        versions={record.model: record.version for record in records if record is not None},
    )
