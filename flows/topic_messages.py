"""The messages that a topic holds, in the order of a replay's outputs: `beckon read`."""

from __future__ import annotations

from contextlib import closing
from typing import BinaryIO

from connectors.kafka_ranges import TopicRange, spans_of, values_in
from connectors.log import (
    DEAD_LETTERS_TOPIC,
    EXAMPLES_TOPIC,
    GOALS_TOPIC,
    SUPPRESSED_TOPIC,
    TAGS_TOPIC,
    TRIGGERS_TOPIC,
)
from flows.lines import DEAD_LETTERS, in_order
from flows.spool import Spool, directory_of

OUTPUT_OF = {
    TRIGGERS_TOPIC: "triggers",
    SUPPRESSED_TOPIC: "decisions",
    GOALS_TOPIC: "decisions",
    TAGS_TOPIC: "tags",
    EXAMPLES_TOPIC: "examples",
    DEAD_LETTERS_TOPIC: DEAD_LETTERS,
}
"""The output of a replay that is ordered as a topic's messages are."""


def write_messages(wanted: TopicRange, path: str, file: BinaryIO) -> int:
    """Write a topic's messages to `file`, which is open for `path`; returns how many they are.

    Raises `OSError`: the broker cannot be reached, or a file not be written.
    """
    count = 0
    spans = spans_of(wanted)
    with closing(Spool(directory_of(path), len(spans))) as spool:
        for span in spans:
            spool.append(span.partition, values_in(wanted, span))
        for line in in_order(OUTPUT_OF[wanted.topic], spool.partitions()):
            file.write(line + b"\n")
            count += 1
    return count
