"""The readable profiles that live runs leave: everybody has one, and it says when it was true."""

from __future__ import annotations

import json
from random import Random

from connectors.events import Decoder
from connectors.memory_broker import MemoryBroker, raw_batches
from flows.partition import Engine
from flows.simulate import SimulateOptions
from tests.test_live import CONFIG, PARTITIONS, messages_of, played


def test_everybody_has_a_readable_profile_no_older_than_their_last_event() -> None:
    messages = messages_of(SimulateOptions(users=60, days=12, seed=5))
    for random in (None, Random(7)):
        broker, store = played(messages, random)
        for partition in range(PARTITIONS):
            snapshot = store.load(partition)
            assert snapshot is not None
            at_the_end = snapshot.checkpoint.next_offset
            engine = Engine(CONFIG, partition=partition, snapshot=snapshot)
            last = last_offsets(broker, partition)
            for line in engine.profiles():
                document = json.loads(line)
                user = document["user"]
                found = json.loads(store.profile(user.encode()) or b"{}")
                assert found.pop("partition") == partition
                next_offset = found.pop("next_offset")
                assert last[user] < next_offset <= at_the_end
                if next_offset == at_the_end:
                    assert found == document


def last_offsets(broker: MemoryBroker, partition: int) -> dict[str, int]:
    """The offset of each user's last event in a partition."""
    (raw,) = raw_batches([(at_ms, value) for at_ms, _, value in broker.log[partition]], 0)
    columns = Decoder(CONFIG).decode(raw, last=True).columns
    spans = zip(columns.user_start.tolist(), columns.user_length.tolist(), strict=True)
    users = [columns.data[start : start + length].tobytes().decode() for start, length in spans]
    return dict(zip(users, columns.offset.tolist(), strict=True))
