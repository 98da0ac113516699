"""Which brokers, which topics, and how to be let in: read from a URL, a file and the environment.

    kafka://broker-1:9092,broker-2:9092

What the file may hold is what librdkafka calls its settings, one `name=value` a line:

    security.protocol=SASL_SSL
    sasl.mechanism=SCRAM-SHA-512
    sasl.username=beckon
    sasl.password=...
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NoReturn

from msgspec import Struct

SCHEME = "kafka://"
DEFAULT_PREFIX = "beckon"
SERVERS_MAX, OPTIONS_MAX, PREFIX_LENGTH_MAX = 64, 100, 100
MESSAGE_BYTES_MAX = 1_000_000
"""Key and value of a message; brokers take 48 KB more, for the envelope, unless told otherwise."""

PASSED_ON = ("security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "client.", "socket.")
"""Beginnings of the settings that are passed on; all others are Beckon's to choose."""

SHOWN = ("security.protocol", "sasl.mechanism", "sasl.mechanisms", "client.id", "client.rack")
"""Settings whose values may appear in messages; all others could be secrets, or hold some."""

_SERVER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):\d{1,5}")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+")
_URL_EXAMPLE = "kafka://host:9092,host:9092"


class KafkaSettings(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Where the topics are. `options` are settings of librdkafka; their values stay out of sight.

    >>> KafkaSettings(servers="k:9092", options={"sasl.password": "s3cret"})
    KafkaSettings(servers='k:9092', prefix='beckon', options={'sasl.password': '***'})
    """

    servers: str
    prefix: str = DEFAULT_PREFIX
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        options = {name: value if name in SHOWN else "***" for name, value in self.options.items()}
        return (
            f"KafkaSettings(servers={self.servers!r}, prefix={self.prefix!r}, options={options!r})"
        )

    def topic(self, name: str) -> str:
        """The full name of a topic.

        >>> KafkaSettings(servers="k:9092").topic("events")
        'beckon.events'
        """
        return f"{self.prefix}.{name}"

    def connection(self) -> dict[str, str | int | float | bool]:
        """What every client is made with; what it has to say comes as errors, not on stderr."""
        return {"log_level": 0, **self.options, "bootstrap.servers": self.servers}


def kafka_settings(
    url: str, options: Iterable[str] = (), *, prefix: str = DEFAULT_PREFIX, password: str = ""
) -> KafkaSettings:
    """Settings of a URL (`kafka://` may be left out) and the lines of an options file.

    >>> kafka_settings("kafka://a:9092,b:9092").servers
    'a:9092,b:9092'

    Raises:
        ValueError: what is given cannot be meant; secrets are not repeated.
    """
    if not _PREFIX.fullmatch(prefix) or len(prefix) > PREFIX_LENGTH_MAX:
        _refuse("topic prefix", "letters, digits, '.', '_' and '-'", repr(prefix), "choose another")
    read = parse_options(options)
    if password:
        read["sasl.password"] = password
    return KafkaSettings(servers=parse_servers(url), prefix=prefix, options=read)


def parse_servers(url: str) -> str:
    """The servers of a URL, as librdkafka wants them."""
    rest = url.removeprefix(SCHEME)
    if "@" in rest:
        fix = "write sasl.username and sasl.password into the options file"
        _refuse("Kafka URL", _URL_EXAMPLE, "one with a user or a password", fix)
    servers = rest.rstrip("/").split(",")
    wrong = [server for server in servers if not _SERVER.fullmatch(server)]
    if wrong:
        _refuse("Kafka URL", _URL_EXAMPLE, repr(url), "name host and port of each server")
    if len(servers) > SERVERS_MAX:
        _refuse("Kafka URL", f"at most {SERVERS_MAX} servers", f"{len(servers)}", "name a few")
    return ",".join(servers)


def parse_options(lines: Iterable[str]) -> dict[str, str]:
    """The settings in the lines of an options file; empty lines and `#` comments are passed over.

    >>> parse_options(["# TLS", "security.protocol = SSL"])
    {'security.protocol': 'SSL'}
    """
    read: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        where = f"Kafka options, line {number}"
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            _refuse(where, "name=value", "a line without '='", "write sasl.username=beckon")
        if not name.startswith(PASSED_ON):
            known = ", ".join(f"{start}*" for start in PASSED_ON)
            _refuse(where, f"a setting of {known}", repr(name), "leave the others to Beckon")
        read[name] = value
        if len(read) > OPTIONS_MAX:
            _refuse(where, f"at most {OPTIONS_MAX} settings", "more", "leave some out")
    return read


def too_large(key: bytes | None, value: bytes) -> bool:
    """Whether a message is larger than its topic takes."""
    return len(key or b"") + len(value) > MESSAGE_BYTES_MAX


def _refuse(where: str, expected: str, got: str, fix: str) -> NoReturn:
    raise ValueError(f"{where}: expected {expected}, got {got}; {fix}")
