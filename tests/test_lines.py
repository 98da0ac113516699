"""Outputs as lines: one order for all partitions, and dead letters that lose nothing."""

from __future__ import annotations

import base64
import json
import random

from connectors.columns import DeadLetter
from flows.lines import dead_letter_line, merged, merged_profiles


def line(second: int, user: str, offset: int, text: str = "") -> bytes:
    time = f"2026-03-01T00:00:{second:02}.000Z"
    return json.dumps(
        {"time": time, "subject": user, "data": {"offset": offset, "is": text}}
    ).encode()


def test_lines_of_partitions_are_merged_by_instant_then_offset_then_user() -> None:
    ordered = [
        line(1, "b", -1),
        line(1, "d", -1, "higher priority"),
        line(1, "d", -1, "a later stage"),
        line(1, "a", 7),
        line(2, "a", -1),
        line(2, "é", -1),
        line(2, "é", 9),
        line(2, "c", 10),
    ]
    chance = random.Random(2)
    for _ in range(50):
        partition_of = {user: chance.randrange(3) for user in "abcdé"}
        partitions: list[list[bytes]] = [[], [], []]
        for one in ordered:
            partitions[partition_of[json.loads(one)["subject"]]].append(one)
        assert merged(partitions) == ordered


def test_users_are_ordered_by_their_bytes_not_by_their_characters() -> None:
    # In UTF-16 order, as some languages have it, the first of these would be the last.
    private_use, beyond = "\ue000", "\U0001f600"
    assert merged([[line(1, beyond, -1)], [line(1, private_use, -1)]]) == [
        line(1, private_use, -1),
        line(1, beyond, -1),
    ]


def test_profiles_of_partitions_are_merged_by_user() -> None:
    def profile(user: str) -> bytes:
        return json.dumps({"user": user, "features": {"user": "z"}}).encode()

    parts = [[profile("a"), profile("c")], [], [profile("b")]]
    assert list(merged_profiles(parts)) == [profile(user) for user in "abc"]


def test_a_dead_letter_keeps_its_bytes_whatever_they_are() -> None:
    for value in (b"{", b'{"a": "\xc3\xa9"}', b"\xff\xfe{", b"", b"\x00\x01"):
        letter = DeadLetter(reason="bad_json", detail="expected", offset=3, value=value)
        kept = json.loads(dead_letter_line(letter))
        assert kept.pop("reason") == "bad_json"
        if "value" in kept:
            assert kept["value"].encode() == value
        else:
            assert base64.b64decode(kept["value_base64"]) == value
