"""`beckon dead-letters redrive`: letters that are events by now go back into the log, each once.

An event and the note that its letter was re-driven are one transaction, and only who began last can
make one. So a re-drive can be killed, repeated, or run twice at once: what the notes have is passed
over, and what they do not have did not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from config.schema import Config
from connectors.kafka_errors import BrokerError
from connectors.kafka_ranges import TopicRange, spans_of
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import log_partitions
from connectors.kafka_transactions import Transactions
from connectors.log import LOG_TOPIC, REDRIVEN_TOPIC, Fenced, Outgoing
from flows.config_records import ConfigRecordError, config_of
from flows.letter_page import Outcome
from flows.letter_sources import Note, letters_of_log
from flows.letters import Letter, Wanted
from flows.mending import Mended, Mender, Mending
from flows.range_parts import Beginning, last_config

LETTERS_AT_ONCE = 200
"""Letters in a transaction, each 64 KB at most: it is over long before its time is."""


class Redrive:
    """Re-drives letters of a log; `outcome` tells of it, also where it ends in the middle.

    `pause` waits for some 10 ms while the broker fetches.
    """

    def __init__(self, settings: KafkaSettings, pause: Callable[[], None]) -> None:
        self.outcome = Outcome()
        self._settings = settings
        self._pause = pause
        self._transactions = transactions_of(settings)

    def run(self, wanted: Wanted, *, dry: bool) -> None:
        """Put back what is wanted and is an event by now; if `dry`, only tell what would be.

        Raises:
            OSError: the broker cannot be reached or refuses, or another re-drive has begun since.
            ConfigRecordError: the log's config cannot be read.
        """
        partitions = log_partitions(self._settings)
        try:
            if not dry:
                self._transactions.begin(lambda: None)
            config = config_in_force(self._settings, self._pause)
            self.outcome.version = config.version
            mender = Mender(config, partitions)
            asked = {position.partition for position in wanted.positions}
            for partition in range(partitions):
                if asked and partition not in asked:
                    continue
                for letters in self._batches(partition, wanted):
                    self._put_back(partition, mender.mend(letters), dry=dry)
        except Fenced as error:
            raise BrokerError(f"{error}; see that one re-drive runs at a time") from error
        finally:
            self._transactions.close()

    def _batches(self, partition: int, wanted: Wanted) -> Iterator[list[Letter]]:
        """The open letters among those that are wanted, each once, some at a time."""
        batch: list[Letter] = []
        for letter, is_redriven in letters_of_log(self._settings, [partition]):
            if letter is None or not wanted.has(letter):
                continue
            self.outcome.found |= wanted.positions & {letter.position}
            self.outcome.before += is_redriven
            if not is_redriven:
                batch.append(letter)
            if len(batch) == LETTERS_AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch

    def _put_back(self, partition: int, mending: Mending, *, dry: bool) -> None:
        if mending.events and not dry:
            self._transactions.send(messages_of(partition, mending.events))
        self.outcome.redriven.update(one.letter.reason for one in mending.events)
        self.outcome.left.update(why for _, why in mending.left)
        if mending.left and not self.outcome.example:
            self.outcome.example = str(mending.left[0][0].position)


def transactions_of(settings: KafkaSettings) -> Transactions:
    """The transactions of all re-drives of a log: who begins fences who began before."""
    return Transactions(settings, f"beckon-redrive-{settings.prefix}", "re-driving dead letters")


def messages_of(partition: int, events: list[Mended]) -> list[tuple[int, Outgoing]]:
    """The messages of a transaction, each with its partition: events, and the note of them."""
    note = Note(letters=[one.letter.number for one in events])
    messages = [
        (one.partition, Outgoing(topic=LOG_TOPIC, key=one.key, value=one.value)) for one in events
    ]
    value = msgspec.json.encode(note)
    return [*messages, (partition, Outgoing(topic=REDRIVEN_TOPIC, key=None, value=value))]


def config_in_force(settings: KafkaSettings, pause: Callable[[], None]) -> Config:
    """The config that a record meets which is appended to the log now.

    Partition 0 tells it: a push reaches it last.

    Raises:
        ConfigRecordError: there is none, or it cannot be read.
    """
    log = TopicRange(settings=settings, topic=LOG_TOPIC)
    span = spans_of(log)[0]
    beginning = Beginning(wanted=log, config=None, state=None, pause=pause)
    record = last_config(beginning, replace(span, begin=span.end))
    if record is None:
        raise ConfigRecordError(
            f"{settings.topic(LOG_TOPIC)}: expected a config in the log, got none; put one in "
            "force with `beckon config push DIR`"
        )
    return config_of(record)
