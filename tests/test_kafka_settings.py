"""Kafka's settings: what is read, what is refused, and that no secret gets out."""

from __future__ import annotations

import pytest

from connectors.kafka_settings import KafkaSettings, kafka_settings, parse_options, too_large

SECRETS = {
    "sasl.password": "hunter2",
    "ssl.key.password": "hunter2",
    "ssl.key.pem": "hunter2",
    "sasl.oauthbearer.client.secret": "hunter2",
    "sasl.oauthbearer.config": "principal=hunter2",
    "sasl.jaas.config": 'password="hunter2"',
}


def test_a_url_and_an_options_file_make_settings() -> None:
    lines = ["# how to be let in", "", "security.protocol = SASL_SSL", "sasl.username=be=ckon"]
    settings = kafka_settings("kafka://a.shop:9092,[::1]:9093/", lines, prefix="shop", password="x")
    assert settings.servers == "a.shop:9092,[::1]:9093"
    assert settings.topic("events") == "shop.events"
    assert settings.options == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "be=ckon",
        "sasl.password": "x",
    }
    assert settings.connection()["bootstrap.servers"] == settings.servers


def test_settings_show_no_secret_however_they_are_printed() -> None:
    settings = KafkaSettings(servers="k:9092", options=SECRETS)
    for text in (repr(settings), str(settings), f"{settings}", f"{[settings]!r}"):
        assert "hunter2" not in text
        assert "sasl.password" in text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kafka://ada:hunter2@k:9092", "options file"),
        ("kafka://k", "host and port"),
        ("kafka://", "host and port"),
        ("kafka://k:9092/topic", "host and port"),
        (",".join(f"k{number}:9092" for number in range(65)), "at most 64 servers"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        kafka_settings(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sasl.password hunter2", "line 2: expected name=value"),
        ("transactional.id=hunter2", "'transactional.id'; leave the others to Beckon"),
        ("enable.idempotence=hunter2", "enable.idempotence"),
        ("isolation.level=hunter2", "isolation.level"),
    ],
)
def test_an_option_that_is_not_ours_to_take_is_refused_without_its_value(
    line: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        parse_options(["# first", line])
    assert "hunter2" not in str(refused.value)


def test_a_prefix_that_is_no_name_of_a_topic_is_refused() -> None:
    for prefix in ("", "be ckon", "a" * 101, "ä"):
        with pytest.raises(ValueError, match="topic prefix"):
            kafka_settings("k:9092", prefix=prefix)


def test_a_message_of_more_than_a_million_bytes_is_too_large() -> None:
    assert not too_large(b"ada", b"x" * 999_997)
    assert too_large(b"ada", b"x" * 999_998)
    assert not too_large(None, b"x" * 1_000_000)
