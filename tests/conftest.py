"""What many tests share: the command line as a function, a small shop's log, real servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from flows.simulate import SimulateOptions, simulate
from tests.server_setup import (
    KAFKA_VARIABLE,
    REDIS_VARIABLE,
    in_ci,
    why_no_kafka,
    why_no_redis,
)
from tests.servers import kafka_server, redis_server

ROOT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "BECKON_DATA"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="make the golden stories say what the engine says now; review the diff",
    )


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a `beckon` command line in this process: `run("check", "--config", folder)`."""
    from flows.cli import beckon
    from flows.exits import run_command

    def run_here(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run_command(beckon, [str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return run_here


@pytest.fixture(scope="session")
def shop_log() -> Sequence[bytes]:
    """The lines of a small simulated shop: late ones, repeated ones, broken ones among them."""
    events = BytesIO()
    simulate(SimulateOptions(users=150, days=8, seed=5), events)
    return tuple(events.getvalue().splitlines())


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """Gives a file of the recorded data sets, or skips the test where they are not at hand."""
    home = Path(os.environ.get(DATA_VARIABLE) or ROOT.parent / "shared" / "data")

    def file(name: str) -> Path:
        if not (home / name).is_file():
            pytest.skip(f"NOT TESTED ON REAL DATA: {home / name} is missing; set {DATA_VARIABLE}")
        return home / name

    return file


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """`host:port` of a broker for all tests of this process; see `prefix`.

    A test that kills its broker or counts its topics starts its own with `kafka_server()`, in three
    seconds.
    """
    if named := os.environ.get(KAFKA_VARIABLE):
        yield named
        return
    skip_without("KAFKA", why_no_kafka())
    with kafka_server() as server:
        yield server.address


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis for all tests of this process; see `prefix`.

    A test that kills its Redis or looks at all keys starts its own with `redis_server()`, in a
    thirtieth of a second.
    """
    if named := os.environ.get(REDIS_VARIABLE):
        yield named
        return
    skip_without("REDIS", why_no_redis())
    with redis_server() as server:
        yield server.address


@pytest.fixture
def prefix() -> str:
    """A prefix of topics and keys that no other test has."""
    return f"test-{uuid4().hex}"


def skip_without(name: str, missing: str | None) -> None:
    """Skips the test where a server cannot be started; in CI that is an error."""
    if missing and in_ci():
        pytest.fail(f"no {name} for the tests: {missing}")
    if missing:
        pytest.skip(f"NOT TESTED WITH A REAL {name}: {missing}")
