"""`beckon profile`, `beckon audience --redis`, `beckon state export`: what live engines left."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from config.load import load
from flows.audiences import Audiences
from flows.live_commit import Live
from flows.lookup import partition_of_user
from flows.partition import Engine
from state.redis_settings import redis_settings
from state.redis_store import RedisStore
from state.stored import open_partition, partitions_of
from tests.conftest import Run
from tests.running import decoded, parted

PARTITIONS = 2
CONFIG = load()


class Kept(NamedTuple):
    """What an engine has left: the URL of its keys, its profiles by user, its last offset."""

    url: str
    profiles: dict[str, bytes]
    next_offset: int


@pytest.fixture
def kept(redis_url: str, prefix: str, shop_log: Sequence[bytes]) -> Iterator[Kept]:
    """The shop's log on two partitions, committed in several steps."""
    url = f"{redis_url}?prefix={prefix}"
    store = RedisStore(redis_settings(url), partitions=PARTITIONS)
    engines = [Engine(CONFIG, partition=number) for number in range(PARTITIONS)]
    audiences = [Audiences() for _ in engines]
    next_offset = 0
    for columns, clock_ms, next_offset in decoded(CONFIG, list(shop_log), 1_000):
        parts = parted(columns, PARTITIONS)
        for engine, turned, part in zip(engines, audiences, parts, strict=True):
            batch = engine.process(part, clock_ms=clock_ms, next_offset=next_offset)
            turned.note(batch.turned())
            profiles = [(user_of(line), line) for line in engine.profiles()]
            live = Live(owner="test", audiences=turned.taken(), profiles=profiles)
            store.commit(engine.commit(live))
    store.close()
    lines = [line for engine in engines for line in engine.profiles()]
    yield Kept(url, {user_of(line).decode(): line for line in lines}, next_offset)


def user_of(profile: bytes) -> bytes:
    user: str = json.loads(profile)["user"]
    return user.encode()


def test_a_profile_is_what_the_engine_wrote(run: Run, kept: Kept) -> None:
    for user in list(kept.profiles)[::40]:
        shown = run("profile", user, "--redis", kept.url)
        assert (shown.code, shown.err) == (0, "")
        assert shown.out.encode() == kept.profiles[user] + b"\n"


def test_a_user_whom_no_engine_has_seen_is_a_problem(run: Run, kept: Kept) -> None:
    shown = run("profile", "no\udcffbody", "--redis", kept.url)
    assert (shown.code, shown.out) == (1, "")
    assert "expected a user whom an engine has seen, got 'no" in shown.err


@pytest.mark.parametrize("tag", [tag.name for tag in CONFIG.tags])
def test_an_audience_is_everybody_whose_profile_has_the_tag(run: Run, kept: Kept, tag: str) -> None:
    shown = run("audience", tag, "--redis", kept.url)
    documents: dict[str, Any] = {user: json.loads(line) for user, line in kept.profiles.items()}
    expected = {
        user: found["tags"][tag] for user, found in documents.items() if tag in found["tags"]
    }
    assert shown.code == 0
    assert dict(list(csv.reader(StringIO(shown.out, newline="")))[1:]) == expected
    assert shown.err.startswith(f"{len(expected):,} user")


def test_an_audience_is_looked_for_in_one_place(run: Run, kept: Kept) -> None:
    neither = run("audience", "intent")
    assert neither.code == 2
    assert "expected --state DIR or --redis URL, got neither" in neither.err


def test_where_no_engine_was_at_work_the_url_is_doubted(run: Run, redis_url: str) -> None:
    for command in (["audience", "intent"], ["state", "export", "unused"]):
        shown = run(*command, "--redis", f"{redis_url}?prefix=nobody")
        assert (shown.code, shown.out) == (1, "")
        assert "expected profiles under the prefix nobody, got none; give the URL" in shown.err


def test_an_exported_state_is_what_is_in_redis(run: Run, kept: Kept, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shown = run("state", "export", state, "--redis", kept.url)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"{state}: {len(kept.profiles):,} users in 2 partitions\n")
    assert not list(tmp_path.glob("*.part"))
    assert partitions_of(state) == PARTITIONS
    for user, line in kept.profiles.items():
        partition = partition_of_user(user.encode(), PARTITIONS)
        with open_partition(state, partition, partitions=PARTITIONS) as stored:
            assert stored is not None
            assert stored.checkpoint.next_offset == kept.next_offset
            assert stored.checkpoint.owner == ""
        if partition == 0 and user.endswith("7"):
            found = run("show", user, "--state", state, "--json")
            assert found.out.encode() == line + b"\n"


def test_an_export_into_a_folder_with_files_is_refused(
    run: Run, kept: Kept, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("hello")
    shown = run("state", "export", tmp_path, "--redis", kept.url)
    assert shown.code == 2
    assert "expected a new or empty folder, got one with files in it" in shown.err


def test_a_url_that_cannot_be_meant_is_told_without_its_password(run: Run) -> None:
    shown = run("profile", "ada", "--redis", "http://ada:hush@cache")
    assert shown.code == 2
    assert "expected a URL that begins with redis://" in shown.err
    assert "hush" not in shown.err
