"""URLs of Redis: what they may say, and that no password shows."""

from __future__ import annotations

import pytest

from state.redis_settings import RedisSettings, Secret, redis_settings


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", RedisSettings()),
        ("redis://cache", RedisSettings(host="cache")),
        ("redis://[::1]:7000/3", RedisSettings(host="::1", port=7000, database=3)),
        ("redis://:hush@cache", RedisSettings(host="cache", password=Secret("hush"))),
        (
            "rediss://ada:h%40sh@cache?ca=/ca.pem&prefix=shop",
            RedisSettings(
                scheme="rediss",
                host="cache",
                username="ada",
                password=Secret("h@sh"),
                ca="/ca.pem",
                prefix="shop",
            ),
        ),
        (
            "unix:///run/redis.sock?db=2",
            RedisSettings(scheme="unix", host="", path="/run/redis.sock", database=2),
        ),
    ],
)
def test_a_url_says_where_and_as_whom(url: str, expected: RedisSettings) -> None:
    assert redis_settings(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("cache:6379", "begins with redis://, rediss:// (TLS) or unix:// (a socket), got cache:"),
        ("localhost", "begins with redis://, rediss:// (TLS) or unix:// (a socket), got one"),
        ("http://cache", "got http:"),
        ("redis://cache:port", "host or port cannot be read"),
        ("redis://ada:hu/sh@cache", "host or port cannot be read"),
        ("redis://ada:hush@cache/x", "the number of a database, got 'x'"),
        ("redis://ada:hush@cache#1", "without a #"),
        ("redis://cache?timeout=3", "one of db, prefix, ca behind the ?, got timeout"),
        ("redis://cache?prefix={a}", "letters, digits and -_.: as prefix, got '{a}'"),
        ("unix://", "the path of a socket"),
    ],
)
def test_what_is_no_such_url_is_told_without_its_password(url: str, message: str) -> None:
    with pytest.raises(ValueError) as told:
        redis_settings(url)
    assert message in str(told.value)
    assert "hu" not in str(told.value)


def test_no_text_of_the_settings_shows_the_password() -> None:
    for url in ("redis://ada:hush@cache", "unix://ada:hush@/run/socket", "rediss://:hush@cache"):
        found = redis_settings(url)
        assert "hush" not in f"{found} {found!r} {found.url} {list(found.__rich_repr__())}"
        assert ":***@" in found.url
        assert found.password is not None
        assert found.password.reveal() == "hush"
