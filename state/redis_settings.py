"""Where Redis is and how to reach it, from one URL; passwords never show."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, unquote, urlsplit

from msgspec import Struct

from state.keys import DEFAULT_PREFIX

SCHEMES = ("redis", "rediss", "unix")
QUERY_KEYS = ("db", "prefix", "ca")
PORT = 6379
HIDDEN = "***"


class Secret:
    """A text that no `repr`, message or log shows."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the server alone."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    __hash__ = None  # type: ignore[assignment]  # nothing is looked up by a secret


class RedisSettings(Struct, frozen=True, kw_only=True):
    """A Redis server and what of it is ours.

    `path` is that of a unix socket (then host and port count for nothing). `ca` is a file of
    certificates that the server's is checked by; without it, the system's. All keys begin with
    `prefix`.
    """

    scheme: str = "redis"
    host: str = "localhost"
    port: int = PORT
    path: str = ""
    username: str = ""
    password: Secret | None = None
    database: int = 0
    ca: str = ""
    prefix: str = DEFAULT_PREFIX

    @property
    def url(self) -> str:
        """The URL with its password masked, for messages.

        >>> redis_settings("rediss://ada:secret@cache:7000/2").url
        'rediss://ada:***@cache:7000/2'
        """
        user = quote(self.username) + (f":{HIDDEN}" if self.password else "")
        at = f"{user}@" if user else ""
        if self.scheme == "unix":
            return f"unix://{at}{self.path}" + (f"?db={self.database}" if self.database else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{at}{host}:{self.port}/{self.database}"


def redis_settings(url: str) -> RedisSettings:
    """The settings that a URL stands for.

    redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, unix://[...@]/PATH[?db=N];
    all take `?prefix=` (of our keys), rediss also `?ca=FILE`. Special characters are %-encoded.

    Raises:
        ValueError: it is no such URL; the message shows nothing of a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        raise ValueError(
            "expected a URL like redis://HOST:6379/0, got one whose host or port cannot be read; "
            "%-encode special characters of the password"
        ) from None
    if parts.scheme not in SCHEMES or "://" not in url:
        raise ValueError(
            "expected a URL that begins with redis://, rediss:// (TLS) or unix:// (a socket), got "
            + (f"{parts.scheme}:" if parts.scheme else "one without that")
        )
    if parts.fragment:
        raise ValueError("expected a URL without a #; write %23 where the password has one")
    given = _query(parts.query)
    place = _unix(parts.path) if parts.scheme == "unix" else _network(parts.hostname, parts.path)
    return RedisSettings(
        scheme=parts.scheme,
        host=place.host,
        port=port,
        path=place.path,
        username=unquote(parts.username or ""),
        password=Secret(unquote(parts.password)) if parts.password else None,
        database=_database(given["db"]) if "db" in given else place.database,
        ca=given.get("ca", ""),
        prefix=_prefix(given.get("prefix", DEFAULT_PREFIX)),
    )


class _Place(Struct, frozen=True, kw_only=True):
    host: str = ""
    path: str = ""
    database: int = 0


def _network(host: str | None, path: str) -> _Place:
    return _Place(host=host or "localhost", database=_database(path.strip("/") or "0"))


def _unix(path: str) -> _Place:
    if not path.strip("/"):
        raise ValueError("expected the path of a socket, as in unix:///run/redis.sock, got none")
    return _Place(path=unquote(path))


def _query(query: str) -> dict[str, str]:
    given = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
    for key in given:
        if key not in QUERY_KEYS:
            raise ValueError(f"expected one of {', '.join(QUERY_KEYS)} behind the ?, got {key}")
    return given


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"expected the number of a database, got {text!r}")
    return int(text)


def _prefix(text: str) -> str:
    if not text or not all(letter.isalnum() or letter in "-_.:" for letter in text):
        raise ValueError(f"expected letters, digits and -_.: as prefix, got {text!r}")
    return text
