"""Why an input cannot be used: the closed set of reasons, each with what it means."""

from __future__ import annotations

from typing import Literal, get_args

DeadLetterReason = Literal[
    "too_large",
    "bad_utf8",
    "bad_json",
    "not_a_number",
    "too_deep",
    "not_an_object",
    "wrong_type",
    "unknown_type",
    "bad_control",
    "missing_id",
    "missing_message_id",
    "no_timestamp",
    "future",
    "unknown_event",
    "number_too_large",
    "missing_field",
    "unknown_currency",
    "wrong_partition",
]

MEANINGS: dict[DeadLetterReason, str] = {
    "too_large": "the record, one of its texts or its list of lines is longer than allowed",
    "bad_utf8": "the record is not valid UTF-8",
    "bad_json": "the record is not valid JSON",
    "not_a_number": "NaN or an infinity stands where JSON needs a number",
    "too_deep": "objects and arrays are nested too deeply",
    "not_an_object": "the record is JSON, but no object",
    "wrong_type": "a value is of another type than its key needs",
    "unknown_type": "`type` is absent or none of the message types",
    "bad_control": "a control record of no known kind, without its time, or of another form",
    "missing_id": "neither `userId` nor `anonymousId` says whose event it is",
    "missing_message_id": "without `messageId` a repetition could not be told",
    "no_timestamp": "no usable time says when it happened",
    "future": "its time lies further ahead than can be true",
    "unknown_event": "the config, which is strict, does not name this event",
    "number_too_large": "a number is beyond 2^53",
    "missing_field": "a field that the config requires of this event is absent",
    "unknown_currency": "the config has no rate for this currency",
    "wrong_partition": "the record is in another partition than that of its profile id",
}

REASONS: tuple[DeadLetterReason, ...] = get_args(DeadLetterReason)


def code_of(reason: DeadLetterReason) -> int:
    """The number that stands for a reason in compiled code; 0 stands for none.

    >>> REASONS[code_of("future") - 1]
    'future'
    """
    return REASONS.index(reason) + 1
