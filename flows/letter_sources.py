"""Where dead letters are read from: their topic, with the notes of those re-driven, or a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from connectors.files import open_bytes
from connectors.kafka_scan import records
from connectors.kafka_settings import KafkaSettings
from connectors.log import DEAD_LETTERS_TOPIC, REDRIVEN_TOPIC
from flows.letters import Letter, Numbers, distinct, letter_of


class Note(Struct, frozen=True, kw_only=True):
    """A record of the topic of notes: the numbers of letters of its partition, re-driven with it.

    A number is the letter's offset and log time, see `flows.letters.Letter.number`.
    """

    letters: list[int]


_note = msgspec.json.Decoder(Note)


def redriven(settings: KafkaSettings, partition: int) -> Numbers:
    """Which letters of a partition were re-driven.

    Raises:
        OSError: the notes cannot be read.
    """
    numbers = Numbers()
    for message in records(settings, REDRIVEN_TOPIC, partition):
        try:
            note = _note.decode(message.value() or b"")
        except msgspec.DecodeError as error:
            raise OSError(
                f"{settings.topic(REDRIVEN_TOPIC)} partition {partition}, offset "
                f"{message.offset()}: expected a note of `beckon dead-letters redrive`, got: "
                f"{error}; somebody else writes to this topic"
            ) from error
        for number in note.letters:
            numbers.add(number)
    return numbers


def letters_of_log(
    settings: KafkaSettings, partitions: Iterable[int]
) -> Iterator[tuple[Letter | None, bool]]:
    """The letters of these partitions, each once, and whether it was re-driven.

    Raises what `redriven` and `letters_in_topic` do.
    """
    for partition in partitions:
        noted = redriven(settings, partition)
        for letter in distinct(letters_in_topic(settings, partition)):
            yield letter, letter is not None and letter.number in noted


def letters_in_topic(settings: KafkaSettings, partition: int) -> Iterator[Letter | None]:
    """The letters of a partition that its topic has now, some of them perhaps several times.

    None stands for a record that is no letter of this partition.

    Raises:
        OSError: the broker cannot be reached, or refuses.
    """
    for message in records(settings, DEAD_LETTERS_TOPIC, partition):
        letter = letter_of(message.value() or b"")
        is_own = letter is not None and letter.position.partition == partition
        yield letter if is_own else None


def letters_in_file(path: str) -> Iterator[Letter | None]:
    """The letters in a file, as `beckon replay --dead-letters` writes it; None: another line."""
    with open_bytes(path) as lines:
        for line in lines:
            if text := line.strip():
                yield letter_of(text)
