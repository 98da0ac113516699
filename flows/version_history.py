"""The versions of models that a live log has, newest first, and which of them scores are made with.

Partition 0 is looked at: a version reaches it last, so that what it has all others have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from connectors.kafka_ranges import TopicRange, spans_of
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC
from flows.learn_saved import Version
from flows.model_records import ModelRecordError, model_of, name_of, record_of
from flows.range_parts import Beginning, records_back
from state.redis_reading import RedisReader

NAME_DIGITS_MIN = 4
UNREADABLE = "the one that cannot be read"
WHERE_TO_LOOK = (
    "`beckon models list` tells which there are, of models that learn; a complement, such as the "
    "default churn_30d, has the versions of its model"
)


class Logged(Struct, frozen=True, kw_only=True):
    """A record of a version. Of one that cannot be read `version` is None, and names may be ""."""

    model: str
    name: str
    log_ms: int
    data: bytes
    rollback: bool
    version: Version | None


class NoVersionError(ValueError):
    """There is no such version as was asked for."""


def versions_back(settings: KafkaSettings, pause: Callable[[], None]) -> Iterator[Logged]:
    """The records of versions in the log, newest first, read as they are asked for.

    Raises:
        BrokerError: the log cannot be read.
    """
    log = TopicRange(settings=settings, topic=LOG_TOPIC)
    span = spans_of(log)[0]
    beginning = Beginning(wanted=log, config=None, state=None, pause=pause)
    for found in records_back(beginning, replace(span, begin=span.end), "model"):
        yield logged(found.value, found.offset, found.log_ms)


def logged(value: bytes, offset: int, log_ms: int) -> Logged:
    """What a record says, as far as it can be read."""
    record = record_of(value)
    try:
        version = model_of(value, offset)[1]
    except ModelRecordError:
        version = None
    return Logged(
        model=name_of(value),
        name=record.version if record is not None else "",
        log_ms=log_ms,
        data=record.data if record is not None else b"",
        rollback=record is not None and record.rollback,
        version=version,
    )


def newest(versions: Iterator[Logged], count: int, models: set[str]) -> list[Logged]:
    """So many of each model, as far as the log goes back; `models` are those that it should have.

    Models that are named nowhere may be among what is found; the log is not read on for them.
    """
    found: list[Logged] = []
    counts: Counter[str] = Counter()
    for one in versions:
        if counts[one.model] < count:
            found.append(one)
        counts[one.model] += 1
        if all(counts[model] >= count for model in models):
            break
    return found


def version_before(versions: Iterator[Logged], model: str) -> Logged:
    """The version that was published before the one that the log has last for a model.

    Where that cannot be read, the last that can. What rollbacks put in force again is no
    publication: one rollback after another goes further and further back.

    Raises:
        NoVersionError: there is none.
    """
    current = ""
    is_behind = False
    for one in versions:
        if one.model not in ("", model):
            continue
        if not current:
            current = one.name if one.version is not None else UNREADABLE
            is_behind = one.version is None
        if one.version is None or one.rollback:
            continue
        if is_behind and one.name != current:
            return one
        is_behind |= one.name == current
    known = f"before {current} " if current else ""
    raise NoVersionError(
        f"model {model}: expected a version {known}in the log, got none; {WHERE_TO_LOOK}"
    )


def version_named(versions: Iterator[Logged], model: str, digits: str) -> Logged:
    """The version of a model whose name begins with these digits.

    Raises:
        NoVersionError: there is none that can be read, or they are too few.
    """
    if len(digits) < NAME_DIGITS_MIN:
        raise NoVersionError(
            f"expected {NAME_DIGITS_MIN} digits of a version or more, got {digits!r}"
        )
    for one in versions:
        if one.model == model and one.version is not None and one.name.startswith(digits):
            return one
    raise NoVersionError(
        f"model {model}: expected a version {digits} that can be read in the log, got none; "
        f"{WHERE_TO_LOOK}"
    )


def in_force(profiles: RedisReader) -> dict[tuple[str, str], list[int]]:
    """In which partitions each (model, version) is what the profiles keep as the last."""
    found: dict[tuple[str, str], list[int]] = {}
    for partition in range(profiles.partitions()):
        for model, value in profiles.models(partition).items():
            record = record_of(value)
            if record is not None:
                found.setdefault((model, record.version), []).append(partition)
    return found


def stored_version(profiles: RedisReader, model: str) -> Logged:
    """The version of a model that partition 0 keeps as the last.

    Raises:
        NoVersionError: it keeps none.
    """
    stored = profiles.models(0)
    found = logged(stored[model], -1, 0) if model in stored else None
    if found is not None and found.version is not None:
        return found
    known = ", ".join(sorted(stored)) or "none"
    raise NoVersionError(
        f"expected a model with a version in partition 0 (those are: {known}), got {model!r}; "
        f"{WHERE_TO_LOOK}"
    )
